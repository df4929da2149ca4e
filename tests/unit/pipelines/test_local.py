"""Local runs tell a person what happens and keep everything in a log."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from mediareview.errors import MediaReviewError
from mediareview.settings import get_settings
from pipelines.local import LocalRun, _last_words, _Narrator, _no_step_left_behind, last_run, run_locally

RUNNER_LOG = """\
19:05:41.026 - INFO - Executing task \x1b[96m'load'\x1b[0m
    [KFP Executor 2026-11-23 19:05:41,104 INFO]: Got executor_input:
    7,392 train, 2,938 test texts
19:05:42.026 - INFO - Task \x1b[96m'load'\x1b[0m finished with status \x1b[92mSUCCESS\x1b[0m
    data: Dataset( name='data' )
Task train cache hit (key=0123456789ab); skipping execution
"""


@pytest.fixture
def run(tmp_path: Path) -> LocalRun:
    return LocalRun(pipeline="train-sentiment", parameters={}, started_at=datetime.now(UTC), log=tmp_path / "run.log")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MEDIAREVIEW_HOME", str(tmp_path))
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


def test_a_run_records_durations_and_what_came_from_the_cache(run: LocalRun) -> None:
    narrator = _Narrator(run, "demo")
    for piece in (RUNNER_LOG[:50], RUNNER_LOG[50:]):
        narrator.write(piece)
    narrator.close()
    assert list(run.seconds) == ["load"]
    assert run.cached == ["train"]


def test_the_log_keeps_every_line_without_colours(run: LocalRun) -> None:
    narrator = _Narrator(run, "demo")
    narrator.write(RUNNER_LOG)
    narrator.close()
    kept = run.log.read_text()
    assert "\x1b" not in kept
    assert kept.count("\n") == RUNNER_LOG.count("\n")


def test_a_person_sees_the_step_its_words_and_not_the_runners_own(
    run: LocalRun, capsys: pytest.CaptureFixture[str]
) -> None:
    narrator = _Narrator(run, "demo")
    narrator.write(RUNNER_LOG)
    narrator.close()
    told = capsys.readouterr().err
    assert "7,392 train, 2,938 test texts" in told
    assert "KFP Executor" not in told
    assert "Dataset(" not in told


def test_an_expected_failure_is_told_by_its_message(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_text(
        "    Traceback (most recent call last):\n      File x, line 1\n"
        "    mediareview.errors.MediaReviewError: The lake has no table 'reviews'.\n      Ingest it first.\n"
    )
    assert _last_words(log).split("\n") == ["The lake has no table 'reviews'.", "      Ingest it first."]


def test_an_interrupted_run_leaves_no_step_behind() -> None:
    started: list[psutil.Process] = []

    def run() -> None:
        with _no_step_left_behind():
            # A shell with the step in it, as the runner starts it.
            shell = psutil.Popen(["sh", "-c", "sleep 60; true"])
            while not shell.children():
                pass
            started.extend([shell, *shell.children()])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    gone, alive = psutil.wait_procs(started, timeout=10)
    assert (len(gone), alive) == (2, [])


@pytest.mark.usefixtures("home")
def test_an_unknown_parameter_is_answered_with_those_there_are() -> None:
    with pytest.raises(MediaReviewError, match="min_gain"):
        run_locally("train-sentiment", {"colour": "red"})


@pytest.mark.usefixtures("home")
def test_a_pipeline_that_never_ran_has_no_record() -> None:
    assert last_run("train-sentiment") is None
