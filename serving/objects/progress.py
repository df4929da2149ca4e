"""Whether the pods of a version have replaced those before them.

An InferenceService in Standard mode does not tell. Its ``observedGeneration`` is copied from its Deployment; its
``Ready`` is that of the pods before until the controller has looked, and depends on routes besides. So the Deployment
is asked, by the rules of ``kubectl rollout status``, and the InferenceService for the reason if it goes wrong.
"""

from dataclasses import dataclass

from mediareview.kubernetes import Object
from serving.objects.names import VERSION_LABEL


@dataclass(frozen=True)
class Progress:
    """How far a version has come."""

    done: bool
    failed: bool
    """Kubernetes has given up waiting for the new pods."""
    message: str


def progress(service: Object, deployment: Object | None, version: str) -> Progress:
    """Return how far a version has come.

    Args:
        service: the InferenceService.
        deployment: the Deployment of its stable predictor; None if there is none yet.
        version: registry version, as the predictor's label says it.
    """
    if deployment is None or _version(deployment) != version:
        return Progress(False, False, _reason(service, {}) or "KServe has not taken up the new version yet")
    status = deployment.get("status") or {}
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return Progress(False, False, "Kubernetes has not taken up the new version yet")
    conditions = {item["type"]: item for item in status.get("conditions") or []}
    progressing = conditions.get("Progressing", {})
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Progress(False, True, _reason(service, conditions) or str(progressing.get("message", "")))
    wanted = int(deployment["spec"].get("replicas", 1))
    pods, new, available = (int(status.get(key, 0)) for key in ("replicas", "updatedReplicas", "availableReplicas"))
    if new < wanted or pods > new or available < new:
        count = f"{new} of {wanted} pods are of the new version, {available} of {pods} are available"
        return Progress(False, False, _reason(service, conditions) or count)
    return Progress(True, False, "")


def _version(deployment: Object) -> str:
    template = deployment["spec"].get("template") or {}
    return str(((template.get("metadata") or {}).get("labels") or {}).get(VERSION_LABEL, ""))


def _reason(service: Object, deployment_conditions: dict[str, Object]) -> str:
    """Return why pods of the new version do not start, if anybody says so."""
    status = service.get("status") or {}
    model = status.get("modelStatus") or {}
    if model.get("transitionStatus") in ("BlockedByFailedLoad", "InvalidSpec"):
        failure = model.get("lastFailureInfo") or {}
        return ": ".join(str(failure[key]) for key in ("reason", "message") if failure.get(key))
    refused = deployment_conditions.get("ReplicaFailure", {})
    if refused.get("status") == "True":
        return str(refused.get("message", ""))
    conditions = {item["type"]: item for item in status.get("conditions") or []}
    predictor = conditions.get("PredictorReady", {})
    return str(predictor.get("message") or "") if predictor.get("status") == "False" else ""
