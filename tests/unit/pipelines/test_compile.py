"""The pipelines compile to IR that a Kubeflow server accepts, with how each step runs on the cluster."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from mediareview.errors import MediaReviewError
from pipelines.catalogue import PIPELINE_NAMES, STEPS
from pipelines.cluster import load_config
from pipelines.commands import pipeline as command
from pipelines.compile import compile_pipeline, compile_to_objects, version_name

CONFIG = """\
defaults:
  image: registry.example.com/pipelines:7
  pull_policy: Always
  pull_secrets: [registry]
  environment: {COLOUR: blue}
  config_maps: {limits: {required: [LIMIT], optional: [FLOOR]}}
  secrets: {keys: {key: API_KEY}}
  annotations: {example.com/team: film}
steps:
  train:
    requests: {cpu: 3, memory: 5Gi}
    limits: {cpu: 6, memory: 9Gi}
    accelerator: {count: 2}
    node_selector: {pool: gpu}
    tolerations: [{key: gpu, operator: Exists, effect: NoSchedule}]
    environment: {COLOUR: red}
    volumes: {models: /models}
    retries: {count: 5, backoff_s: 7, factor: 3, max_backoff_s: 70}
    timeout_s: 4711
    caching: false
  gate:
    retries: {count: 0}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "pipelines.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module", params=PIPELINE_NAMES)
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict:
    path = compile_pipeline(request.param, tmp_path_factory.mktemp("compiled"), load_config())
    document, _ = yaml.safe_load_all(path.read_text())
    assert document["pipelineInfo"]["name"] == request.param
    return document


@pytest.fixture(scope="module")
def documents(config: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """IR and Kubernetes settings of a pipeline, compiled with CONFIG."""
    path = compile_pipeline("train-sentiment", tmp_path_factory.mktemp("configured"), load_config(config))
    return list(yaml.safe_load_all(path.read_text()))


@pytest.fixture(scope="module")
def containers(documents: list[Any]) -> dict[str, Any]:
    executors = documents[0]["deploymentSpec"]["executors"]
    return {name.removeprefix("exec-"): executor["container"] for name, executor in executors.items()}


@pytest.fixture(scope="module")
def pods(documents: list[Any]) -> dict[str, Any]:
    executors = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return {name.removeprefix("exec-"): executor for name, executor in executors.items()}


def test_every_step_is_a_task(compiled: dict) -> None:
    assert set(compiled["root"]["dag"]["tasks"]) == set(STEPS)


def test_what_reads_or_changes_the_world_is_never_cached_and_the_rest_always(compiled: dict) -> None:
    tasks = compiled["root"]["dag"]["tasks"]
    uncached = {name for name, task in tasks.items() if not task["cachingOptions"].get("enableCache")}
    assert uncached == {"pin", "register", "deploy"}


def test_steps_install_nothing_when_they_start(compiled: dict) -> None:
    for executor in compiled["deploymentSpec"]["executors"].values():
        assert "pip install" not in " ".join(executor["container"]["command"])


def test_parameters_have_defaults(compiled: dict) -> None:
    parameters = compiled["root"]["inputDefinitions"]["parameters"]
    assert {name: value.get("defaultValue") for name, value in parameters.items()} == {
        "profile": "demo",
        "overrides": {},
        "min_gain": 0.0,
        "deployment": "rollout",
    }


def test_an_unknown_pipeline_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(MediaReviewError, match="train-recommender, train-sentiment, train-moderation"):
        compile_pipeline("train-nothing", tmp_path, load_config())


def test_every_step_carries_the_defaults(containers: dict[str, Any], pods: dict[str, Any]) -> None:
    assert set(containers) == set(pods) == set(STEPS)
    for step in STEPS:
        assert containers[step]["image"] == "registry.example.com/pipelines:7"
        pod = pods[step]
        assert pod["imagePullPolicy"] == "Always"
        assert [secret["secretName"] for secret in pod["imagePullSecret"]] == ["registry"]
        assert pod["securityContext"] == {"runAsUser": "10001", "runAsGroup": "10001", "runAsNonRoot": True}
        assert {"mountPath": "/tmp", "sizeLimit": "4Gi", "volumeName": "tmp"} in pod["emptyDirMounts"]
        assert mounts(pod)["mediareview-pipelines"] == "/var/lib/mediareview"
        assert pod["podMetadata"]["labels"]["app.kubernetes.io/part-of"] == "mediareview"
        assert pod["podMetadata"]["annotations"] == {"example.com/team": "film"}


def test_the_environment_comes_from_values_config_maps_and_secrets(
    containers: dict[str, Any], pods: dict[str, Any]
) -> None:
    assert environment(containers["load"]) == {
        "MEDIAREVIEW_HOME": "/var/lib/mediareview",
        "MEDIAREVIEW_THREADS": "2",
        "COLOUR": "blue",
    }
    secrets = {
        (secret["secretName"], pair["secretKey"]): pair["envVar"]
        for secret in pods["load"]["secretAsEnv"]
        for pair in secret["keyToEnv"]
    }
    assert secrets["mediareview-s3", "AWS_SECRET_ACCESS_KEY"] == "AWS_SECRET_ACCESS_KEY"
    assert secrets["mediareview-online-store", "url"] == "MEDIAREVIEW_ONLINE_STORE_URL"
    assert secrets["keys", "key"] == "API_KEY"
    variables = {
        (entry["configMapName"], pair["envVar"]): entry["optional"]
        for entry in pods["load"]["configMapAsEnv"]
        for pair in entry["keyToEnv"]
    }
    assert variables["mediareview-platform", "MEDIAREVIEW_LAKE_URL"] is False
    assert variables["limits", "LIMIT"] is False
    assert variables["limits", "FLOOR"] is True


def test_a_step_differs_where_the_configuration_says_so(
    documents: list[Any], containers: dict[str, Any], pods: dict[str, Any]
) -> None:
    resources = containers["train"]["resources"]
    assert (resources["resourceCpuRequest"], resources["resourceMemoryRequest"]) == ("3", "5Gi")
    assert (resources["resourceCpuLimit"], resources["resourceMemoryLimit"]) == ("6", "9Gi")
    assert resources["accelerator"]["resourceType"] == "nvidia.com/gpu"
    assert resources["accelerator"]["resourceCount"] == "2"
    assert environment(containers["train"])["COLOUR"] == "red"
    assert pods["train"]["nodeSelector"]["labels"] == {"pool": "gpu"}
    assert pods["train"]["tolerations"] == [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert pods["train"]["activeDeadlineSeconds"] == "4711"
    assert mounts(pods["train"]) == {"mediareview-pipelines": "/var/lib/mediareview", "models": "/models"}
    task = documents[0]["root"]["dag"]["tasks"]["train"]
    assert not task["cachingOptions"].get("enableCache")
    assert task["retryPolicy"] == {
        "maxRetryCount": 5,
        "backoffDuration": "7s",
        "backoffFactor": 3.0,
        "backoffMaxDuration": "70s",
    }


def test_the_other_steps_do_not(documents: list[Any], containers: dict[str, Any], pods: dict[str, Any]) -> None:
    assert "accelerator" not in containers["evaluate"]["resources"]
    assert environment(containers["evaluate"])["COLOUR"] == "blue"
    assert "nodeSelector" not in pods["evaluate"]
    assert "tolerations" not in pods["evaluate"]
    tasks = documents[0]["root"]["dag"]["tasks"]
    assert tasks["evaluate"]["cachingOptions"]["enableCache"]
    assert tasks["evaluate"]["retryPolicy"]["maxRetryCount"] == 2
    assert "retryPolicy" not in tasks["gate"]


@pytest.mark.usefixtures("documents")
def test_the_local_runner_gets_nothing_of_it() -> None:
    from pipelines.training import PIPELINES

    for pipeline in PIPELINES.values():
        assert not pipeline.platform_spec.platforms
        for executor in pipeline.pipeline_spec.deployment_spec["executors"].values():
            assert "env" not in executor["container"]


def test_compiling_twice_gives_the_same_version_and_a_change_another(tmp_path: Path, config: Path) -> None:
    first = compile_pipeline("train-sentiment", tmp_path / "a", load_config())
    second = compile_pipeline("train-sentiment", tmp_path / "b", load_config())
    changed = compile_pipeline("train-sentiment", tmp_path / "c", load_config(config))
    assert version_name(first) == version_name(second) != version_name(changed)


def test_kubernetes_objects_hold_the_pipeline_its_version_and_the_settings(tmp_path: Path) -> None:
    path = compile_to_objects("train-sentiment", tmp_path, load_config(), namespace="film")
    pipeline, version = yaml.safe_load_all(path.read_text())
    assert {document["apiVersion"] for document in (pipeline, version)} == {"pipelines.kubeflow.org/v2beta1"}
    assert [document["kind"] for document in (pipeline, version)] == ["Pipeline", "PipelineVersion"]
    assert version["metadata"]["namespace"] == "film"
    assert version["spec"]["pipelineName"] == pipeline["metadata"]["name"] == "train-sentiment"
    plain = compile_pipeline("train-sentiment", tmp_path / "plain", load_config())
    assert version["metadata"]["name"] == f"train-sentiment-{version_name(plain)}"
    assert set(version["spec"]["platformSpec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]) == {
        f"exec-{step}" for step in STEPS
    }


@pytest.mark.parametrize("arguments", [[], ["--all"]])
def test_the_command_compiles_all_pipelines(tmp_path: Path, arguments: list[str]) -> None:
    done = CliRunner().invoke(command, ["compile", "--output", str(tmp_path), *arguments])
    assert done.output.split() == [str(tmp_path / f"{name}.yaml") for name in PIPELINE_NAMES]
    assert all(len(list(yaml.safe_load_all(path.read_text()))) == 2 for path in tmp_path.glob("*.yaml"))


def test_the_command_compiles_one_with_a_configuration(tmp_path: Path, config: Path) -> None:
    arguments = ["compile", "train-moderation", "--config", str(config), "--output", str(tmp_path)]
    assert CliRunner().invoke(command, arguments).exit_code == 0
    (path,) = tmp_path.iterdir()
    assert "registry.example.com/pipelines:7" in path.read_text()


def test_the_command_writes_objects(tmp_path: Path) -> None:
    arguments = ["compile", "train-moderation", "--kubernetes-manifest", "--namespace", "x", "--output", str(tmp_path)]
    assert CliRunner().invoke(command, arguments).exit_code == 0
    assert "kind: PipelineVersion" in (tmp_path / "train-moderation.yaml").read_text()


def environment(container: Any) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container["env"]}


def mounts(pod: Any) -> dict[str, str]:
    return {mount["constant"]: mount["mountPath"] for mount in pod["pvcMount"]}
