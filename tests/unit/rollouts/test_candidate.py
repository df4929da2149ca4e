"""When a candidate counts as ready, and which artifacts become candidates at all."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mediareview import kubernetes
from mediareview.artifact import Manifest, save_manifest
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Access, Kubernetes, Object
from mediareview.settings import Settings
from serving.objects import VERSION_LABEL, ObjectDirectory
from serving.objects.cluster import ClusterObjects
from serving.rollouts.candidate import CandidateState, candidate_state, check_artifact, look_at_candidate
from serving.rollouts.changes import with_canary
from serving.rollouts.rollout import ANNOTATION, Candidate
from tests.kubernetes_api import KubernetesApi, running
from tests.rollout_world import BUILT, CANDIDATE, NAME, status_of

READY = CandidateState(True, False, "")
STARTED = with_canary({**BUILT, "metadata": {**BUILT["metadata"], "generation": 1}}, CANDIDATE)


def local(**status: Any) -> Object:
    return {**STARTED, "status": status} if status else STARTED


def condition(kind: str, reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": kind, "status": "False" if reason else "True", "reason": reason, "message": message}


def test_without_a_canary_there_is_no_candidate() -> None:
    assert candidate_state(BUILT) == CandidateState(False, False, "there is no candidate")


@pytest.mark.parametrize("status", [{}, {"conditions": [condition("Ready", "Stopped", "The stand-in was stopped")]}])
def test_a_candidate_that_nobody_runs_says_so(status: dict[str, Any]) -> None:
    state = candidate_state(local(**status))
    assert (state.ready, state.failed, state.running) == (False, False, False)
    assert "mediareview serve" in state.message


def test_the_stand_in_says_when_the_candidate_is_ready_and_why_not() -> None:
    waiting = [{"name": "v2", "ready": False}]
    starting = condition("CanaryPredictorReady", "Starting", "v2 version 2 is starting")
    assert candidate_state(local(conditions=[starting], canaryStatuses=waiting)) == CandidateState(
        False, False, "v2 version 2 is starting"
    )
    failed = condition("CanaryPredictorReady", "ModelLoadFailed", "weights are damaged")
    assert candidate_state(local(conditions=[failed], canaryStatuses=waiting)) == CandidateState(
        False, True, "weights are damaged"
    )
    assert candidate_state(local(conditions=[], canaryStatuses=[{"name": "v2", "ready": True}])) == READY


def test_trouble_of_the_stable_predictor_is_not_the_candidates() -> None:
    trouble = [condition("PredictorReady", "Restarting", "signal 9"), condition("Ready", "Restarting", "signal 9")]
    assert candidate_state(local(conditions=trouble, canaryStatuses=[{"name": "v2", "ready": True}])) == READY


def test_another_canarys_status_says_nothing_of_this_one() -> None:
    assert not candidate_state(local(conditions=[], canaryStatuses=[{"name": "v1", "ready": True}])).ready


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesApi]:
    monkeypatch.setattr(kubernetes, "RETRY_DELAYS_S", ())
    with running() as server:
        stored = server.put({**STARTED, "metadata": {**STARTED["metadata"], "namespace": "ml"}})
        resource = ("serving.kserve.io/v1beta1", "inferenceservices", "ml", NAME)
        server.set_status(*resource, status_of(stored))
        yield server


def cluster(server: KubernetesApi) -> ClusterObjects:
    return ClusterObjects("ml", Kubernetes(Access(server.url, lambda: f"Bearer {server.token}", None)))


def pods(
    server: KubernetesApi, available: int = 1, annotations: dict[str, str] | None = None, **condition: str
) -> None:
    """Write the canary's Deployment."""
    metadata = {"labels": {VERSION_LABEL: "2"}, "annotations": annotations or {}}
    server.put(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": f"{NAME}-v2-predictor", "namespace": "ml"},
            "spec": {"replicas": 1, "template": {"metadata": metadata}},
        },
        status={
            "observedGeneration": 99, "replicas": 1, "updatedReplicas": 1, "availableReplicas": available,
            "conditions": [{"type": "Progressing", "status": "True", **condition}],
        },
    )  # fmt: skip


def test_on_a_cluster_the_candidates_pods_are_asked_as_well(server: KubernetesApi) -> None:
    assert look_at_candidate(cluster(server), NAME).message == "KServe has not taken up the new version yet"
    pods(server, available=0)
    assert not look_at_candidate(cluster(server), NAME).ready
    pods(server)
    assert look_at_candidate(cluster(server), NAME) == READY


def test_on_a_cluster_pods_that_kubernetes_gave_up_on_have_failed(server: KubernetesApi) -> None:
    pods(server, available=0, reason="ProgressDeadlineExceeded", message="timed out progressing")
    assert look_at_candidate(cluster(server), NAME) == CandidateState(False, True, "timed out progressing")


def test_a_kserve_that_copies_the_annotation_to_pods_is_told_how_to_stop(server: KubernetesApi) -> None:
    pods(server, annotations={ANNOTATION: "{}"})
    state = look_at_candidate(cluster(server), NAME)
    assert (state.ready, state.failed) == (False, True)
    assert "serviceAnnotationDisallowedList" in state.message


def test_in_a_directory_the_status_is_all_there_is(tmp_path: Path) -> None:
    objects = ObjectDirectory(tmp_path)
    objects.apply(with_canary(BUILT, CANDIDATE))
    objects.update_status(NAME, status_of(objects.get(NAME)))
    assert look_at_candidate(objects, NAME) == READY


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    directory = tmp_path / "artifact"
    directory.mkdir()
    (directory / "weights.npz").write_text("weights")
    save_manifest(directory, Manifest(name=NAME, variety="test", version="2"))
    return directory


def at(uri: str, version: str = "2") -> Candidate:
    return Candidate(version=version, uri=uri, predictor=f"v{version}")


def test_an_intact_artifact_of_the_model_and_version_passes(artifact: Path) -> None:
    assert check_artifact(NAME, at(artifact.as_uri()), Settings()).version == "2"


def test_an_artifact_that_was_changed_or_is_another_is_refused(artifact: Path) -> None:
    with pytest.raises(MediaReviewError, match="holds sentiment version 2, not moderation version 2"):
        check_artifact("moderation", at(artifact.as_uri()), Settings())
    with pytest.raises(MediaReviewError, match="not sentiment version 3"):
        check_artifact(NAME, at(artifact.as_uri(), "3"), Settings())
    (artifact / "weights.npz").write_text("tampered")
    with pytest.raises(MediaReviewError, match="was changed"):
        check_artifact(NAME, at(artifact.as_uri()), Settings())
    with pytest.raises(MediaReviewError, match="holds no model"):
        check_artifact(NAME, at((artifact / "nothing").as_uri()), Settings())


def test_an_artifact_that_predictors_cannot_read_is_refused(artifact: Path) -> None:
    with pytest.raises(MediaReviewError, match="stand-in cannot serve s3"):
        check_artifact(NAME, at("s3://models/2"), Settings())
    with pytest.raises(MediaReviewError, match="pods of a cluster cannot read file"):
        check_artifact(NAME, at(artifact.as_uri()), Settings(serving_url="kubernetes://ml"))
