"""The images hold what their roles need and nothing that helps an intruder, and they run as the manifests run them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from mediareview import __version__
from serving.objects import serving_runtime
from tests.images.conftest import USER, answer, exit_code_after_sigterm, image, podman, run, serving

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("api", "serving", "pipelines", "spark", "mlflow")
VOLUME = "/var/lib/mediareview"

READ_SBOM = """
import json
from importlib.metadata import distributions
import re
found = {re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower(): d.version for d in distributions()}
print(json.dumps([found, json.load(open("/usr/share/sbom/mediareview.cdx.json"))]))
"""


@pytest.fixture(scope="module", params=ROLES)
def role(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def test_an_image_says_what_it_is(role: str) -> None:
    (described,) = json.loads(podman("image", "inspect", image(role)))
    labels = described["Labels"]
    assert labels["org.opencontainers.image.title"] == f"mediareview/{role}"
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.base.name"]
    assert re.fullmatch(r"[0-9a-f]{7,}(-dirty)?|unknown", labels["org.opencontainers.image.revision"])
    assert described["Config"]["User"] == f"{USER}:{USER}"


def test_nothing_in_it_raises_rights_or_may_be_written_by_all(role: str) -> None:
    search = (
        "find / -xdev -type f -perm /6000 -print; "
        "find / -xdev -type d -perm -o=w ! -path /tmp ! -path '/proc/*' ! -path '/dev/*' -print; "
        "id -u; test -w /opt && echo writable; command -v pip pip3 uv; true"
    )
    assert run(role, "-c", search, entrypoint="/bin/sh").split() == [str(USER)]


def test_nothing_of_the_building_machine_stays_in_it(role: str) -> None:
    (described,) = json.loads(podman("image", "inspect", image(role)))
    environment = {line.partition("=")[0] for line in described["Config"]["Env"]}
    assert not environment & {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CERT", "SSL_CERT_FILE"}
    assert run(role, "-c", "ls /dev/build /root/.cache 2>/dev/null; true", entrypoint="/bin/sh") == ""


def test_its_bill_of_materials_lists_what_is_installed_at_the_lock_s_versions(role: str) -> None:
    installed, document = json.loads(run(role, "-c", READ_SBOM, entrypoint="python"))
    listed = {
        part["name"]: part["version"] for part in document["components"] if part.get("purl", "").startswith("pkg:pypi/")
    }
    assert listed == installed
    assert any(part.get("purl", "").startswith("pkg:deb/") for part in document["components"])
    assert document["bomFormat"] == "CycloneDX"
    lock = ROOT / ("containers/mlflow.lock" if role == "mlflow" else "requirements.lock")
    pinned = dict(re.findall(r"^([a-z0-9.-]+)==([^\s+]+)", lock.read_text(), re.MULTILINE))
    loose = {
        name: version
        for name, version in installed.items()
        # CUDA packages come with torch where the index has no build for CPUs.
        if pinned.get(name) != version.partition("+")[0] and not name.startswith(("nvidia-", "cuda-", "triton"))
    }
    assert loose.keys() <= {"mediareview-ml"}


@pytest.mark.parametrize(
    ("role", "has", "lacks"),
    [
        ("api", ["aiohttp", "fastapi"], ["torch", "kserve", "onnxruntime", "pyarrow", "kfp"]),
        ("serving", ["kserve", "onnxruntime", "feast"], ["torch", "kfp", "mlflow", "sklearn", "transformers"]),
        ("pipelines", ["torch", "kfp", "mlflow", "kserve"], ["pyspark", "pytest"]),
        ("spark", ["pyspark", "ibis", "deltalake"], ["torch", "pytest"]),
    ],
)
def test_a_role_has_what_it_needs_and_not_what_others_do(role: str, has: list[str], lacks: list[str]) -> None:
    code = "import sys; from importlib.util import find_spec; print([name for name in sys.argv[1:] if find_spec(name)])"
    assert run(role, "-c", code, *has, *lacks, entrypoint="python").strip() == str(has)


def test_a_predictor_answers_v2_with_the_runtime_s_own_arguments_and_drains(
    text_artifact: Callable[..., Path], readable: Callable[[Path], Path], port: int, home: Path
) -> None:
    artifact = readable(text_artifact("sentiment", version="7"))
    (container,) = serving_runtime()["spec"]["containers"]
    filled = [part.replace("{{.Name}}", "sentiment") for part in [*container["command"], *container["args"]]]
    command = [f"--http_port={port}" if part.startswith("--http_port") else part for part in filled]
    command = ["--host=127.0.0.1" if part.startswith("--host") else part for part in command]
    environment = [f"--env={item['name']}={item['value']}" for item in container["env"]]
    volumes = (f"--volume={artifact}:/mnt/models:ro", f"--volume={home}:{VOLUME}")
    entrypoint, *rest = command
    with serving("serving", *rest, options=(*environment, *volumes), entrypoint=entrypoint) as server:
        tensor = {"name": "text", "datatype": "BYTES", "shape": [2], "data": ["a good film", "a dull film"]}
        status, found = answer(f"http://127.0.0.1:{port}/v2/models/sentiment/infer", {"inputs": [tensor]})
        assert status == 200, found
        outputs = {output["name"]: output["data"] for output in found["outputs"]}
        assert outputs["label"] == ["positive", "negative"]
        assert found["model_version"] == "7"
        probe = container["readinessProbe"]["httpGet"]["path"].replace("{{.Name}}", "sentiment")
        assert answer(f"http://127.0.0.1:{port}{probe}")[0] == 200
        assert exit_code_after_sigterm(server) == 0


def test_a_predictor_without_a_model_says_so_and_ends(home: Path) -> None:
    output = podman(
        "run", "--rm", "--read-only", "--cap-drop=all", image("serving"),
        "--model_name=sentiment", "--model_dir=/mnt/models", check=False,
    )  # fmt: skip
    assert output == ""  # the message is on stderr, and the exit code below tells
    code = "import subprocess, sys; print(subprocess.run(sys.argv[1:], capture_output=True, text=True))"
    arguments = ("python", "-m", "serving.predictors", "--model_name=sentiment", "--model_dir=/mnt/models")
    told = run("serving", "-c", code, *arguments, entrypoint="python")
    assert "returncode=1" in told
    assert "holds no model.json" in told


def test_the_api_answers_and_keeps_its_journal_on_the_volume(port: int, home: Path) -> None:
    options = (
        f"--env=MEDIAREVIEW_API_PORT={port}",
        "--env=MEDIAREVIEW_API_HOST=127.0.0.1",
        f"--volume={home}:{VOLUME}",
    )
    with serving("api", options=options) as server:
        url = f"http://127.0.0.1:{port}"
        assert answer(f"{url}/healthz") == (200, {"status": "alive"})
        assert "mediareview_api_requests_total" in answer(f"{url}/metrics")[1]
        status, problem = answer(f"{url}/api/ml/sentiment", {"items": [{"id": "1", "text": "good"}]})
        assert (status, problem["status"]) == (503, 503)
        event = {"request_id": "r1", "type": "click", "user_id": "u1", "item_ids": ["m1"]}
        assert answer(f"{url}/api/ml/feedback", event)[0] == 202
        assert exit_code_after_sigterm(server) == 0
    written = "".join(path.read_text() for path in (home / "events").rglob("*.jsonl"))
    assert '"m1"' in written


def test_a_step_runs_in_the_image_of_the_pipelines(tmp_path: Path, home: Path) -> None:
    reviews = home / "reviews.csv"
    reviews.write_text("text,label\na wonderful film,positive\na dull film,negative\n")
    options = (f"--volume={home}:{VOLUME}",)
    printed = run(
        "pipelines", "ingest", "reviews", f"{VOLUME}/reviews.csv", "--json", options=options, entrypoint="mediareview"
    )
    (summary,) = json.loads(printed)
    assert (summary["inserted"], summary["dead"]) == (2, 0)
    compiled = run(
        "pipelines", "pipeline", "compile", "train-sentiment", f"--output={VOLUME}/compiled",
        options=options, entrypoint="mediareview",
    )  # fmt: skip
    assert compiled.strip().endswith("train-sentiment.yaml")
    ir = next(yaml.safe_load_all((home / "compiled/train-sentiment.yaml").read_text()))
    gate = ir["deploymentSpec"]["executors"]["exec-gate"]["container"]
    evaluation = {
        "model": "sentiment", "split": "random", "seed": 1, "primary_metric": "macro_f1",
        "scores": [
            {"name": name, "role": role, "metrics": [{"name": "macro_f1", "value": value}], "artifact": name}
            for name, role, value in (("candidate", "candidate", 0.7), ("words", "baseline", 0.6))
        ],
    }  # fmt: skip
    (home / "evaluation").mkdir()
    (home / "evaluation/evaluation.json").write_text(json.dumps(evaluation))
    (home / "evaluation").chmod(0o755)
    artifact = {"name": "evaluation", "uri": f"{VOLUME}/evaluation", "type": {"schemaTitle": "system.Artifact"}}
    executor_input = {
        "inputs": {
            "artifacts": {"evaluation": {"artifacts": [artifact]}},
            "parameterValues": {"min_gain": 0.0},
        },
        "outputs": {
            "outputFile": f"{VOLUME}/out/executor_output.json",
            "parameters": {"Output": {"outputFile": f"{VOLUME}/out/Output"}},
        },
    }
    command = [*gate["command"], *gate["args"]]
    filled = [json.dumps(executor_input) if part == "{{$}}" else part for part in command]
    run("pipelines", *filled[1:], options=options, entrypoint=filled[0])
    decided = json.loads((home / "out/executor_output.json").read_text())
    assert decided["parameterValues"]["Output"]["winner"] == "candidate"


def test_spark_computes_with_its_own_java(home: Path) -> None:
    code = (
        "from pyspark.sql import SparkSession\n"
        "spark = SparkSession.builder.master('local[1]').config('spark.ui.enabled', False)"
        ".config('spark.driver.bindAddress', '127.0.0.1').config('spark.driver.host', '127.0.0.1').getOrCreate()\n"
        "print('rows', spark.range(1000).filter('id % 2 = 0').count())\n"
    )
    assert "rows 500" in run("spark", "python", "-c", code, options=(f"--volume={home}:{VOLUME}",))


def test_the_registry_answers_to_its_own_name_only(port: int, home: Path) -> None:
    manifest = yaml.safe_load_all((ROOT / "manifests/base/serving/mlflow.yaml").read_text())
    (container,) = next(item for item in manifest if item["kind"] == "Deployment")["spec"]["template"]["spec"][
        "containers"
    ]
    moved = {"--host=0.0.0.0": "--host=127.0.0.1", "--port=5000": f"--port={port}"}
    arguments = [moved.get(argument, argument) for argument in container["args"]]
    arguments = [argument.replace("$(ARTIFACT_ROOT)", "s3://mediareview/models") for argument in arguments]
    environment = [f"--env={item['name']}={item['value']}" for item in container["env"] if "value" in item]
    options = (
        *environment,
        "--env=MLFLOW_BACKEND_STORE_URI=sqlite:////var/lib/mlflow/mlflow.db",
        f"--volume={home}:/var/lib/mlflow",
    )
    entrypoint, *command = container["command"]
    with serving("mlflow", *command, *arguments, options=options, entrypoint=entrypoint):
        url = f"http://127.0.0.1:{port}"
        assert answer(f"{url}/health")[0] == 200
        search = f"{url}/api/2.0/mlflow/experiments/search"
        ours = {"host": "mlflow.mediareview.svc.cluster.local"}
        status, found = answer(search, {"max_results": 5}, **ours)
        assert status == 200
        assert found["experiments"][0]["artifact_location"].startswith("s3://mediareview/models")
        assert answer(search, {"max_results": 5}, host="elsewhere.example.com")[0] == 403
