"""How steps run on a cluster is one typed file; a wrong one is answered with the field and what is allowed."""

from pathlib import Path

import pytest
import yaml

from components.training.component import BASE_IMAGE
from mediareview.errors import MediaReviewError
from mediareview.merge_patch import merge
from mediareview.settings import get_settings
from pipelines.catalogue import STEPS
from pipelines.cluster import StepConfig, load_config
from pipelines.cluster.config import DEFAULT
from pipelines.cluster.step import amount

OVERLAYS = sorted((Path(__file__).parents[3] / "manifests" / "overlays").iterdir())


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    return tmp_path / "pipelines.yaml"


def refused(config_file: Path, text: str) -> str:
    config_file.write_text(text)
    with pytest.raises(MediaReviewError) as raised:
        load_config(config_file)
    return raised.value.message


def test_the_default_is_usable_as_it_is() -> None:
    config = load_config()
    assert set(config.steps) == set(STEPS)
    assert config.defaults.image == BASE_IMAGE
    assert config.service_account == "pipeline-step"


def test_the_default_says_every_field_but_the_accelerator() -> None:
    assert set(yaml.safe_load(DEFAULT.read_text())["defaults"]) == set(StepConfig.model_fields) - {"accelerator"}


def test_every_step_asks_for_cpu_and_memory_and_has_a_memory_limit() -> None:
    for step in load_config().steps.values():
        assert step.requests.cpu
        assert step.requests.memory
        assert step.limits.memory


def test_every_field_is_documented() -> None:
    import ast
    import inspect

    from pipelines.cluster import config, step

    for module in (config, step):
        for item in ast.parse(inspect.getsource(module)).body:
            if isinstance(item, ast.ClassDef) and not item.name.startswith("_"):
                for field, following in zip(item.body, [*item.body[1:], None], strict=True):
                    if isinstance(field, ast.AnnAssign):
                        documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
                        assert documented, f"{item.name}.{ast.unparse(field.target)}"


def test_a_file_says_only_what_differs(config_file: Path) -> None:
    config_file.write_text("defaults: {image: 'registry.example.com/pipelines:7', labels: {team: film}}")
    step = load_config(config_file).steps["gate"]
    assert step.image == "registry.example.com/pipelines:7"
    assert step.labels["team"] == "film"
    assert step.labels["app.kubernetes.io/part-of"] == "mediareview"
    assert step.volumes == load_config().defaults.volumes


def test_a_step_differs_from_the_defaults(config_file: Path) -> None:
    config_file.write_text("steps: {train: {requests: {memory: 7Gi}, node_selector: {pool: gpu}, caching: false}}")
    steps = load_config(config_file).steps
    assert (steps["train"].requests.cpu, steps["train"].requests.memory) == ("2", "7Gi")
    assert steps["train"].node_selector == {"pool": "gpu"}
    assert not steps["train"].caching
    assert steps["load"].caching
    assert steps["load"].node_selector == {}


def test_null_removes_what_the_default_has(config_file: Path) -> None:
    config_file.write_text("defaults: {secrets: {mediareview-s3: null}}")
    assert set(load_config(config_file).steps["train"].secrets) == {"mediareview-online-store"}


def test_merging_is_that_of_rfc_7396() -> None:
    target = {"title": "a", "author": {"given": "b", "family": "c"}, "tags": ["d", "e"]}
    patch = {"title": "x", "author": {"family": None}, "tags": ["f"], "phone": {"home": None, "work": 1}}
    assert merge(target, patch) == {"title": "x", "author": {"given": "b"}, "tags": ["f"], "phone": {"work": 1}}


def test_the_settings_name_the_file(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file.write_text("service_account: somebody")
    monkeypatch.setenv("MEDIAREVIEW_PIPELINES_CONFIG", str(config_file))
    get_settings.cache_clear()
    try:
        assert load_config().service_account == "somebody"
    finally:
        get_settings.cache_clear()


@pytest.mark.parametrize(
    ("text", "field", "allowed"),
    [
        ("defaults: {pull_policy: Sometimes}", "defaults.pull_policy", "'Always', 'IfNotPresent' or 'Never'"),
        ("defaults: {image: 'mediareview/pipelines:latest'}", "defaults.image", "mediareview/pipelines:0.1.0"),
        ("defaults: {image: mediareview/pipelines}", "defaults.image", "mediareview/pipelines:0.1.0"),
        ("defaults: {image: null}", "defaults.image", "Field required"),
        ("defaults: {requests: {memory: lots}}", "defaults.requests.memory", "512Mi or 4Gi"),
        ("defaults: {requests: {disk: 3Gi}}", "defaults.requests.disk", "there are cpu, memory"),
        ("defaults: {run_as: {user: 0}}", "defaults.run_as.user", "greater than or equal to 1"),
        ("defaults: {privileged: true}", "defaults.privileged", "there are image, pull_policy"),
        ("defaults: {environment: {DB_PASSWORD: hunter2}}", "defaults.environment.DB_PASSWORD", "in `secrets`"),
        ("defaults: {secrets: {Upper_Case: {a: B}}}", "defaults.secrets.Upper_Case", "mediareview-s3"),
        ("defaults: {volumes: {home: relative}}", "defaults.volumes.home", "/var/lib/mediareview"),
        ("defaults: {tolerations: [{key: a, effect: Never}]}", "defaults.tolerations.0.effect", "'NoSchedule'"),
        ("defaults: {tolerations: [{kye: a}]}", "defaults.tolerations.0.kye", "there are key, operator"),
        ("defaults: {retries: {count: 99}}", "defaults.retries.count", "less than or equal to 10"),
        ("defaults: {config_maps: {m: {keys: [A]}}}", "defaults.config_maps.m.keys", "there are required, optional"),
        ("steps: {train: {requests: {memory: 32Gi}}}", "steps.train", "limits.memory 8Gi is less than"),
        ("steps: {train: {accelerator: {count: 0}}}", "steps.train.accelerator.count", "greater than or equal to 1"),
        ("steps: {trian: {caching: false}}", "trian", "the steps are pin, load, preprocess, train"),
        ("stages: {}", "stages", "there are service_account, defaults, steps"),
        ("service_account: Somebody Else", "service_account", "does not fit"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(config_file: Path, text: str, field: str, allowed: str) -> None:
    message = refused(config_file, text)
    assert f"{field}:" in message or field == "trian"
    assert field in message
    assert allowed in message
    assert str(config_file) in message


def test_a_wrong_default_is_told_once_and_not_for_every_step(config_file: Path) -> None:
    assert refused(config_file, "defaults: {timeout_s: soon}").count("valid integer") == 1


def test_no_secret_is_repeated_in_the_answer(config_file: Path) -> None:
    assert "hunter2" not in refused(config_file, "defaults: {environment: {DB_PASSWORD: hunter2}}")


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "\x00"])
def test_a_file_that_is_no_mapping_is_refused(config_file: Path, text: str) -> None:
    assert str(config_file) in refused(config_file, text)


def test_a_missing_file_is_answered_with_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(MediaReviewError, match="--config"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "image",
    [
        "pipelines:7",
        "localhost:5000/pipelines:0.1.0",
        f"registry.example.com/a/b@sha256:{'0' * 64}",
        f"registry.example.com/a/b:7@sha256:{'0' * 64}",
    ],
)
def test_an_image_is_named_by_version_or_digest(config_file: Path, image: str) -> None:
    config_file.write_text(f"defaults: {{image: '{image}'}}")
    assert load_config(config_file).defaults.image == image


@pytest.mark.parametrize(("quantity", "number"), [("500m", 0.5), ("2", 2), ("1Gi", 2**30), ("1G", 1e9), ("1.5", 1.5)])
def test_quantities_are_compared_as_numbers(quantity: str, number: float) -> None:
    assert amount(quantity) == number


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_each_overlay_says_how_its_steps_run_and_agrees_with_its_platform(overlay: Path) -> None:
    config = load_config(overlay / "pipelines.yaml")
    platform = yaml.safe_load((overlay / "platform.yaml").read_text())["spec"]
    for name, step in config.steps.items():
        assert step.image == platform["images"]["pipelines"], name
        keys = step.config_maps["mediareview-platform"]
        assert set(keys.required) <= set(platform["settings"])
        # MLflow alone reads ARTIFACT_ROOT; all else that an operator sets reaches the steps.
        assert set(platform["settings"]) - {"ARTIFACT_ROOT"} <= {*keys.required, *keys.optional}
