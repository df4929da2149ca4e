"""What a person sees of a run on a cluster: each step once, its end, and in the end the reason of a failure."""

import re

import pytest

from pipelines.cluster import load_config
from pipelines.kubeflow import Kubeflow, follow, submit, watch
from pipelines.kubeflow.runs import ClusterRun, TaskRun
from pipelines.kubeflow.versions import ensure_version
from tests.kubeflow_api import KubeflowApi


def start(kubeflow: Kubeflow) -> ClusterRun:
    config = load_config()
    version = ensure_version(kubeflow, "train-sentiment", config)
    return submit(kubeflow, "train-sentiment", version, {"profile": "quick"}, config, "tests")


def ended(state: str, task: str = "FAILED", task_error: str = "", run_error: str = "") -> ClusterRun:
    tasks = [TaskRun(name="pin", state="SUCCEEDED", seconds=7), TaskRun(name="load", state=task, error=task_error)]
    return ClusterRun(
        pipeline="train-sentiment", run_id="7", name="x", url="http://x/#/7", state=state, tasks=tasks, error=run_error
    )


def test_each_step_is_told_once_with_how_it_ended(
    server: KubeflowApi, kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    server.cached, server.failing = {"load"}, {"train": "out of memory"}
    follow(kubeflow, start(kubeflow))
    told = [line.strip() for line in capsys.readouterr().err.splitlines()]
    assert told == [
        "pin",
        "✓ 7.0 s",
        "load",
        "done before, its result is used",
        "preprocess",
        "✓ 7.0 s",
        "train",
        "✗ 7.0 s",
    ]


def test_a_silent_server_is_told_once_and_again_after_it_spoke(
    server: KubeflowApi, kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    run = start(kubeflow)
    server.fault(503, times=9, pattern="GET .*/runs/")  # three looks of three attempts each
    follow(kubeflow, run)
    assert capsys.readouterr().err.count("Trying on") == 1


def test_a_server_that_stays_silent_ends_the_following(
    server: KubeflowApi, kubeflow: Kubeflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PATIENCE_S", 0.0)
    run = start(kubeflow)
    server.fault(503, times=99, pattern="GET .*/runs/")
    with pytest.raises(watch.MediaReviewError, match=re.escape("(503)")) as raised:
        follow(kubeflow, run)
    assert "The run goes on" in raised.value.hint


def test_a_time_that_has_not_come_is_not_one(server: KubeflowApi, kubeflow: Kubeflow) -> None:
    run = start(kubeflow)
    assert run.finished_at is None
    assert run.seconds is None


@pytest.mark.parametrize(
    ("task_error", "run_error", "reason"),
    [
        ("no rows", "a task failed", "load: no rows"),
        ("", "a task failed", "load: a task failed"),
        ("", "", "step load."),
    ],
)
def test_the_reason_is_the_nearest_one_that_is_known(task_error: str, run_error: str, reason: str) -> None:
    error = watch.failure(ended("FAILED", task_error=task_error, run_error=run_error), "film")
    assert error is not None
    assert error.message.endswith(reason)
    assert "kubectl -n film logs -l pipeline/runid=7" in error.hint


def test_success_has_no_reason() -> None:
    assert watch.failure(ended("SUCCEEDED", task="SUCCEEDED")) is None
