"""How a training comes to its processes, and they to it. No process is started here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.training import distributed, node, shared, steps
from components.training.revision import code_digest
from components.training.steps import RunContext
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import KubernetesError
from mediareview.lake import Lake
from mediareview.settings import get_settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MEDIAREVIEW_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "texts.parquet").write_bytes(b"texts")
    return tmp_path / "prepared"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "training").mkdir()
    return tmp_path / "training"


def context(model: str = "sentiment", **changes: object) -> RunContext:
    fields = {"profile": "quick", "lake_versions": {}, "code_digest": code_digest(), "processes_per_node": 2}
    return RunContext.model_validate({"model": model, **fields, **changes})


def test_processes_find_the_data_and_the_context_of_the_step(prepared: Path, directory: Path) -> None:
    shared.share(context(), prepared, directory)
    assert (directory / "prepared" / "texts.parquet").read_bytes() == b"texts"
    assert shared.read_context(directory) == context()
    shared.share(context(), prepared, directory)
    assert sorted(path.name for path in directory.iterdir()) == ["context.json", "prepared"]
    shared.withdraw(directory)
    assert list(directory.iterdir()) == []


def test_a_node_with_another_volume_or_other_code_is_told_so(prepared: Path, directory: Path) -> None:
    with pytest.raises(MediaReviewError, match=r"has no context.json.*\n.*same volume"):
        shared.read_context(directory)
    shared.share(context(code_digest="other"), prepared, directory)
    with pytest.raises(MediaReviewError, match="The code on this node is not that of the training step"):
        shared.read_context(directory)


def test_a_node_that_cannot_work_says_why_as_its_last_words(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "termination-log"
    log.touch()
    monkeypatch.setattr(node, "TERMINATION_LOG", log)
    monkeypatch.setattr("sys.argv", ["node", "sentiment-0123"])
    with pytest.raises(SystemExit) as ended:
        node.main()
    assert ended.value.code == node.HOPELESS
    assert "has no context.json" in log.read_text()
    assert "has no context.json" in capsys.readouterr().err


def test_the_first_node_is_where_the_others_meet() -> None:
    environment = {"PET_MASTER_ADDR": "sentiment-0123-node-0-0.sentiment-0123", "PET_MASTER_PORT": "29500"}
    for rank, host in (("0", "true"), ("1", "false")):
        options = node.parse_args(node.among_nodes("sentiment-0123", {**environment, "PET_NODE_RANK": rank}))
        assert options.rdzv_endpoint == "sentiment-0123-node-0-0.sentiment-0123:29500"
        assert f"is_host={host}" in options.rdzv_conf
        assert (options.rdzv_backend, options.rdzv_id) == ("c10d", "sentiment-0123")
        assert (options.training_script, options.training_script_args) == (node.WORKER, ["sentiment-0123"])


def test_kubeflow_trainer_says_how_many_nodes_and_processes_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PET_NNODES": "3", "PET_NPROC_PER_NODE": "4", "PET_NODE_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    options = node.parse_args(node.among_nodes("sentiment-0123", {}))
    assert (options.nnodes, options.nproc_per_node, options.node_rank) == ("3", "4", 2)


def test_processes_of_one_machine_open_no_port_to_meet(tmp_path: Path) -> None:
    options = node.parse_args(node.on_this_machine("sentiment-0123", 2, tmp_path))
    assert options.rdzv_conf == "store_type=file"
    assert options.rdzv_endpoint == str(tmp_path / "agent")
    assert (options.nnodes, options.nproc_per_node) == ("1", "2")


@pytest.mark.parametrize(("failure", "kept"), [(MediaReviewError("failed"), False), (KubernetesError("away"), True)])
def test_data_stay_only_where_nodes_may_be_at_work(
    failure: Exception, kept: bool, prepared: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(distributed, "_on_nodes", fail)
    with pytest.raises(type(failure)):
        distributed.fine_tune_together(context(nodes=2), prepared, directory)
    assert (directory / "prepared").exists() == kept


def test_a_checkpoint_that_does_not_come_back_is_a_volume_that_is_not_shared(
    prepared: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "_on_nodes", lambda context: None)
    with pytest.raises(MediaReviewError, match="must mount the same volume"):
        distributed.fine_tune_together(context(nodes=2), prepared, directory)


def test_the_recommender_is_not_split(prepared: Path, directory: Path) -> None:
    with pytest.raises(MediaReviewError, match="recommender model cannot be split among 2 processes"):
        distributed.fine_tune_together(context("recommender"), prepared, directory)


@pytest.fixture
def empty_lake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lake, "pin", lambda self, tables: dict.fromkeys(tables, 1))
    monkeypatch.setattr(steps, "prepare_features", lambda lake, settings: None)


@pytest.mark.usefixtures("empty_lake")
def test_a_run_is_pinned_to_the_processes_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = steps.pin("sentiment", "quick", {})
    assert alone.processes == 1
    monkeypatch.setenv("MEDIAREVIEW_TRAINING_NODES", "2")
    monkeypatch.setenv("MEDIAREVIEW_TRAINING_PROCESSES_PER_NODE", "3")
    get_settings.cache_clear()
    several = steps.pin("sentiment", "quick", {})
    assert (several.nodes, several.processes_per_node, several.processes) == (2, 3, 6)
    assert several.digest != alone.digest
    assert "one process" not in capsys.readouterr().err
    assert steps.pin("recommender", "quick", {}).processes == 1
    assert "The recommender model is trained in one process" in capsys.readouterr().err
