"""When a version counts as rolled out, by what Deployments and InferenceServices say."""

from typing import Any

import pytest

from serving.objects import VERSION_LABEL
from serving.objects.progress import Progress, progress

PROGRESSING = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": "is progressing"}
STUCK = {
    "type": "Progressing",
    "status": "False",
    "reason": "ProgressDeadlineExceeded",
    "message": 'ReplicaSet "x" has timed out progressing.',
}


def service(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "sentiment", "namespace": "ml"}, "spec": {"predictor": {}}, "status": status}


def deployment(
    version: str = "2",
    pods: tuple[int, int, int] = (2, 2, 2),
    observed: int = 5,
    condition: dict[str, str] | None = None,
    replicas: int = 2,
) -> dict[str, Any]:
    """A Deployment with so many pods, new ones of them, and available ones."""
    total, new, available = pods
    return {
        "metadata": {"name": "sentiment-predictor", "generation": 5},
        "spec": {"replicas": replicas, "template": {"metadata": {"labels": {VERSION_LABEL: version}}}},
        "status": {
            "observedGeneration": observed,
            # Kubernetes leaves out what is 0.
            **{
                key: value
                for key, value in (("replicas", total), ("updatedReplicas", new), ("availableReplicas", available))
                if value
            },
            "conditions": [{"type": "Available", "status": "True"}, condition or PROGRESSING],
        },
    }


FAILED_LOAD = {
    "modelStatus": {
        "transitionStatus": "BlockedByFailedLoad",
        "lastFailureInfo": {"reason": "ModelLoadFailed", "message": "403 from s3://models", "exitCode": 1},
    }
}


def test_all_pods_new_and_available_is_done() -> None:
    assert progress(service(), deployment(), "2") == Progress(done=True, failed=False, message="")


def test_no_pods_wanted_is_done() -> None:
    assert progress(service(), deployment(pods=(0, 0, 0), replicas=0), "2").done


@pytest.mark.parametrize("pods", [(3, 1, 2), (3, 2, 3), (2, 2, 1), (0, 0, 0)])
def test_pods_that_are_missing_old_or_unavailable_are_waited_for(pods: tuple[int, int, int]) -> None:
    now = progress(service(), deployment(pods=pods), "2")
    assert not now.done
    assert not now.failed
    assert now.message == f"{pods[1]} of 2 pods are of the new version, {pods[2]} of {pods[0]} are available"


def test_ready_pods_of_the_version_before_do_not_count() -> None:
    ready = service(conditions=[{"type": "Ready", "status": "True"}])
    assert "KServe has not taken up" in progress(ready, deployment(version="1"), "2").message
    assert "Kubernetes has not taken up" in progress(ready, deployment(observed=4), "2").message
    assert not progress(ready, None, "2").done


def test_kubernetes_giving_up_is_a_failure_with_its_reason() -> None:
    now = progress(service(), deployment(pods=(3, 1, 2), condition=STUCK), "2")
    assert (now.failed, now.message) == (True, 'ReplicaSet "x" has timed out progressing.')


def test_what_kserve_says_of_the_model_is_the_better_reason() -> None:
    now = progress(service(**FAILED_LOAD), deployment(pods=(3, 1, 2), condition=STUCK), "2")
    assert now.message == "ModelLoadFailed: 403 from s3://models"


def test_what_keeps_kserve_from_making_a_deployment_is_told() -> None:
    condition = {"type": "PredictorReady", "status": "False", "message": "runtime mediareview is disabled"}
    assert progress(service(conditions=[condition]), None, "2").message == "runtime mediareview is disabled"


def test_pods_that_are_not_admitted_are_told() -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": "violates PodSecurity restricted"}
    now = progress(service(), deployment(pods=(2, 0, 2), condition=refused), "2")
    assert (now.failed, now.message) == (False, "violates PodSecurity restricted")
