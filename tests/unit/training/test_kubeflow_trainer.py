"""A TrainJob's life, against a server that speaks the Kubernetes API."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from components.training import kubeflow_trainer
from components.training.kubeflow_trainer import current_namespace, run_trainjob
from components.training.steps import RunContext
from components.training.trainjob import API_VERSION, PLURAL, trainjob
from mediareview import kubernetes
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Access, Kubernetes, KubernetesError
from mediareview.settings import Settings
from tests.kubernetes_api import KubernetesApi, running

CONTEXT = RunContext(model="sentiment", profile="full", lake_versions={}, code_digest="abc", nodes=2)
JOB = trainjob(CONTEXT, Settings(), "ml", {})
NAME = CONTEXT.name
PLACE = (API_VERSION, PLURAL, "ml", NAME)


def status(kind: str = "", message: str = "", ready: int = 0) -> dict[str, Any]:
    conditions = [{"type": kind, "status": "True", "reason": kind, "message": message}] if kind else []
    counts = {"active": 1, "failed": 0, "succeeded": 0, "suspended": 0}
    return {"conditions": conditions, "jobsStatus": [{"name": "node", "ready": ready, **counts}]}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesApi]:
    monkeypatch.setattr(kubernetes, "RETRY_DELAYS_S", ())
    with running() as server:
        yield server


@pytest.fixture
def run(server: KubernetesApi) -> Callable[..., None]:
    access = Access(server.url, lambda: f"Bearer {server.token}", None)

    def run(timeout_s: float = 30) -> None:
        run_trainjob(JOB, Kubernetes(access, timeout_s=2), timeout_s, poll_s=0.01)

    return run


@pytest.fixture
def controller(server: KubernetesApi) -> Iterator[Callable[..., None]]:
    """Return a function that says which states the next TrainJob goes through, each after it was looked at."""
    threads = []

    def plays(*states: dict[str, Any]) -> None:
        def play() -> None:
            for state in states:
                looks = server.verbs().count("get")
                while server.get(*PLACE) is None or (state is not states[0] and server.verbs().count("get") <= looks):
                    threading.Event().wait(0.005)
                server.set_status(*PLACE, state)

        threads.append(threading.Thread(target=play, daemon=True))
        threads[-1].start()

    yield plays
    for thread in threads:
        thread.join(timeout=5)


def pod(name: str, job: str = NAME, **terminated: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ml", "labels": {"jobset.sigs.k8s.io/jobset-name": job}}
    state = {"terminated": terminated} if terminated else {"running": {}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "status": {"containerStatuses": [{"name": "node", "state": state}]},
    }


def test_it_is_created_followed_to_its_end_and_deleted(
    run: Callable[..., None], server: KubernetesApi, controller: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    controller(status("Suspended"), status(ready=1), status("Complete"))
    run()
    told = capsys.readouterr().err
    states = ["waiting for its nodes", "suspended", "at work"]
    assert sorted(states, key=told.index) == states
    assert f"jobset-name={NAME}" in told
    assert server.get(*PLACE) is None
    assert server.verbs()[0] == "create"
    assert server.verbs()[-1] == "delete"


def test_an_attempt_that_finds_it_running_follows_it(
    run: Callable[..., None], server: KubernetesApi, controller: Callable[..., None]
) -> None:
    first = server.put(JOB, status=status(ready=1))
    controller(status("Complete"))
    run()
    assert server.get(*PLACE) is None
    created = [call.body for call in server.calls if call.verb == "create"]
    assert len(created) == 1, "the one call that found it there"
    assert first["metadata"]["uid"]


def test_what_an_earlier_attempt_left_failed_makes_room(run: Callable[..., None], server: KubernetesApi) -> None:
    server.put(JOB, status=status("Failed", "too many restarts"))
    server.put(pod(f"{NAME}-node-0-0", exitCode=1))
    server.put(pod("another", job="another", exitCode=1))
    done = threading.Thread(target=run)
    done.start()
    while "delete" not in server.verbs():
        threading.Event().wait(0.005)
    assert server.get(*PLACE) is None, "it waits for the pods to be gone"
    server.remove("v1", "pods", "ml", f"{NAME}-node-0-0")
    while (stored := server.get(*PLACE)) is None:
        threading.Event().wait(0.005)
    assert not stored.get("status")
    server.set_status(*PLACE, status("Complete"))
    done.join(timeout=5)
    assert not done.is_alive()


def test_a_failure_is_told_with_the_last_words_of_the_pod_that_failed_first(
    run: Callable[..., None], server: KubernetesApi, controller: Callable[..., None]
) -> None:
    server.put(pod(f"{NAME}-node-0-1", exitCode=1, reason="Error", finishedAt="2026-11-24T10:00:09Z", message="peer"))
    first = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-24T10:00:01Z", "message": "epoch 2"}
    server.put(pod(f"{NAME}-node-0-0", **first))
    server.put(pod("another", job="another", exitCode=1, finishedAt="2026-11-24T09:00:00Z"))
    controller(status("Failed", "jobset failed"))
    with pytest.raises(MediaReviewError) as error:
        run()
    assert error.value.message == (
        f"TrainJob {NAME} failed: jobset failed\n{NAME}-node-0-0, OOMKilled (exit code 137): epoch 2"
    )
    assert not isinstance(error.value, KubernetesError)
    assert server.get(*PLACE) is not None, "it can be looked at"


def test_a_failure_is_told_without_last_words_where_pods_may_not_be_seen(
    run: Callable[..., None], server: KubernetesApi, controller: Callable[..., None]
) -> None:
    server.forbid("list", "pods")
    controller(status("Failed", "jobset failed"))
    with pytest.raises(MediaReviewError, match=r"failed: jobset failed\n  Put that right"):
        run()


def test_what_takes_too_long_is_deleted(run: Callable[..., None], server: KubernetesApi) -> None:
    with pytest.raises(MediaReviewError, match=r"not complete after 0.05 s \(waiting for its nodes\); it was deleted"):
        run(timeout_s=0.05)
    assert server.get(*PLACE) is None


def test_a_server_that_is_away_for_a_while_is_waited_for(
    run: Callable[..., None], server: KubernetesApi, controller: Callable[..., None]
) -> None:
    server.fail(503, verb="get", times=3)
    server.fail(0, verb="get", times=2)
    controller(status(ready=1), status("Complete"))
    run()
    assert server.verbs().count("get") > 5


def test_who_may_not_create_it_is_told_which_verb_is_missing(run: Callable[..., None], server: KubernetesApi) -> None:
    server.forbid("create", "trainjobs")
    with pytest.raises(KubernetesError, match=r"Grant the verb 'create' on trainjobs\.trainer\.kubeflow\.org"):
        run()


def test_a_cluster_without_kubeflow_trainer_is_told_from_others(
    run: Callable[..., None], server: KubernetesApi
) -> None:
    server.withdraw("trainer.kubeflow.org")
    with pytest.raises(MediaReviewError, match=r"Kubeflow Trainer is not installed.*\n.*MEDIAREVIEW_TRAINING_NODES=1"):
        run()


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("trainjobs is forbidden: exceeded quota: ml, requested: cpu=8", "ResourceQuota"),
        ("admission webhook denied the request: TrainingRuntime not found", "TrainingRuntime 'mediareview'"),
    ],
)
def test_a_refusal_says_what_to_do(said: str, hint: str) -> None:
    refused = kubeflow_trainer._refusal(KubernetesError(said, "Grant the verb 'create'.", 403))
    assert isinstance(refused, KubernetesError)
    assert said in str(refused)
    assert hint in refused.hint


def test_one_that_somebody_deletes_is_not_waited_for(run: Callable[..., None], server: KubernetesApi) -> None:
    def delete() -> None:
        while server.get(*PLACE) is None:
            threading.Event().wait(0.005)
        server.remove(*PLACE)

    threading.Thread(target=delete, daemon=True).start()
    with pytest.raises(MediaReviewError, match="was deleted while it ran"):
        run()


def test_several_nodes_need_a_cluster() -> None:
    with pytest.raises(MediaReviewError, match="MEDIAREVIEW_TRAINING_PROCESSES_PER_NODE"):
        current_namespace()
