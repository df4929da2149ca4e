"""Settings, contracts, artifacts and the command line."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pyarrow as pa
import pytest

from mediareview.artifact import MANIFEST, Manifest, copy_artifact, load_manifest, save_manifest
from mediareview.cli import main
from mediareview.console import duration
from mediareview.contracts import CONTRACTS, arrow_schema, to_arrow
from mediareview.contracts.schema_docs import stale_files
from mediareview.errors import MediaReviewError
from mediareview.settings import Settings


def test_backends_default_to_the_home_and_are_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIAREVIEW_HOME", str(tmp_path))
    assert Settings().lake == f"file://{tmp_path}/lake"
    assert Settings().registry == f"sqlite:///{tmp_path}/registry/mlflow.db"
    monkeypatch.setenv("MEDIAREVIEW_LAKE_URL", "s3://bucket/lake")
    assert Settings().lake == "s3://bucket/lake"


@pytest.mark.parametrize(
    ("name", "url", "hint"),
    [
        ("serving_url", "http://cluster", "kubernetes://"),
        ("online_store_url", "postgresql://u:hunter2@host/db", "redis://"),
        ("online_store_url", "features/online.db", "sqlite://"),
        ("feature_registry_url", "gs://bucket/key", "a path or s3://"),
        ("pipelines_url", "cluster:8080", "http://"),
    ],
)
def test_a_backend_that_does_not_exist_is_refused_by_the_name_of_its_setting(name: str, url: str, hint: str) -> None:
    with pytest.raises(MediaReviewError, match=f"MEDIAREVIEW_{name.upper()}") as refused:
        Settings(**{name: url})  # type: ignore[arg-type]
    assert hint in refused.value.hint
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["redis://", "redis://:hunter2@", "rediss://[hunter2"])
def test_a_backend_without_a_host_is_refused_without_telling_its_password(url: str) -> None:
    with pytest.raises(MediaReviewError) as refused:
        Settings(online_store_url=url)  # type: ignore[arg-type]
    assert "hunter2" not in str(refused.value)


def test_feature_stores_are_files_or_servers(tmp_path: Path) -> None:
    default = Settings(home=tmp_path)
    assert (default.online_store_file, default.feature_registry_file) == (
        tmp_path / "features" / "online.db",
        tmp_path / "features" / "registry.db",
    )
    moved = Settings(online_store_url="sqlite:////data/o.db", feature_registry_url="/data/r.db")  # type: ignore[arg-type]
    assert (moved.online_store_file, moved.feature_registry_file) == (Path("/data/o.db"), Path("/data/r.db"))
    servers = Settings(online_store_url="redis://host:6379/0", feature_registry_url="s3://bucket/r.db")  # type: ignore[arg-type]
    assert (servers.online_store_file, servers.shares_feature_registry) == (None, True)


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIAREVIEW_PIPELINES_TOKEN_PATH", "")
    monkeypatch.setenv("MEDIAREVIEW_API_PORT", "")
    assert Settings().pipelines_token_path is None
    assert Settings().api_port == 8080


def test_a_secret_is_not_printed() -> None:
    for name in ("s3_secret_access_key", "pipelines_token"):
        assert "hunter2" not in repr(Settings(**{name: "hunter2"}))  # type: ignore[arg-type]
    assert "hunter2" not in repr(Settings(online_store_url="redis://:hunter2@host:6379/0"))  # type: ignore[arg-type]


@pytest.mark.parametrize("table", CONTRACTS)
def test_every_contract_has_an_arrow_schema_that_holds_its_key(table: str) -> None:
    schema = arrow_schema(CONTRACTS[table])
    assert set(CONTRACTS[table].key) <= set(schema.names)
    assert to_arrow(CONTRACTS[table], []).schema == schema
    assert pa.timestamp("ns", tz="UTC") not in schema.types


def test_the_documented_schemas_are_current() -> None:
    assert stale_files() == []


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    directory = tmp_path / "artifact"
    (directory / "sub").mkdir(parents=True)
    (directory / "sub" / "weights.npz").write_bytes(b"weights")
    save_manifest(directory, Manifest(name="sentiment", variety="test"))
    return directory


def test_an_artifact_knows_its_files(artifact: Path) -> None:
    assert list(load_manifest(artifact, verify=True).files) == ["sub/weights.npz"]


@pytest.mark.parametrize("damage", ["change", "remove"])
def test_damage_to_an_artifact_is_noticed(artifact: Path, damage: str) -> None:
    weights = artifact / "sub" / "weights.npz"
    weights.write_bytes(b"other") if damage == "change" else weights.unlink()
    with pytest.raises(MediaReviewError, match=r"weights.npz is missing or was changed"):
        load_manifest(artifact, verify=True)


def test_a_directory_without_or_with_a_broken_manifest_is_refused(artifact: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaReviewError, match="holds no"):
        load_manifest(tmp_path)
    (artifact / MANIFEST).write_text("{")
    with pytest.raises(MediaReviewError, match="not a valid manifest"):
        load_manifest(artifact)


def test_copying_replaces_the_whole_artifact(artifact: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "old").write_text("x")
    copy_artifact(artifact, target)
    assert load_manifest(target, verify=True).name == "sentiment"
    assert not (target / "old").exists()


def test_every_subcommand_loads_and_has_help() -> None:
    for entry in entry_points(group="mediareview.commands"):
        assert entry.load().help


def test_an_expected_failure_is_one_clear_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDIAREVIEW_HOME", str(tmp_path))
    with pytest.raises(SystemExit) as stopped:
        main(["pipeline", "status", "train-nothing"])
    assert stopped.value.code == 1
    message = capsys.readouterr().err
    assert "There is no pipeline 'train-nothing'." in message
    assert "train-recommender" in message


def test_a_command_whose_extra_is_not_installed_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("MEDIAREVIEW_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(SystemExit, match="1"):
        main(["models", "list"])
    told = capsys.readouterr().err
    assert "needs mlflow" in told
    assert "[pipelines,train,serve]" in told


def test_help_imports_no_heavy_library() -> None:
    code = (
        "import sys\nfrom mediareview.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'kfp', 'mlflow', 'feast', 'kserve', 'pyarrow', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pipeline" in done.stdout


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.42, "0.4 s"),
        (12.3, "12 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (3599.7, "1 h"),
        (7500, "2 h 5 min"),
        (86_399, "1 d"),
        (601_200, "6 d 23 h"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, told: str) -> None:
    assert duration(seconds) == told
