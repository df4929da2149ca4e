"""What a rollout does to an InferenceService, as pure edits: the canary comes, gets traffic, takes over, or goes.

KServe's rules for canaries in Standard mode: each has a ``predictor.name`` of its own and a ``model.name``, scaling is
the stable predictor's business, and a stable predictor that takes a canary's name takes over its Deployment as it is.
"""

from copy import deepcopy
from typing import Literal

from mediareview.kubernetes import Object
from serving.objects.names import CONTAINER_NAME, VERSION_LABEL
from serving.objects.variants import STABLE, version_label
from serving.rollouts.rollout import ANNOTATION, Candidate, Rollout

Action = Literal["enter", "step", "pause", "resume", "promote", "roll_back"]
"""What can be done to a rollout that was started."""

SCALING = ("maxReplicas", "scaleTarget", "scaleMetric", "scaleMetricType", "autoScaling")
"""Fields that a canary may not have."""


def canary_of(service: Object) -> Object | None:
    """Return the first entry of ``spec.canary``; None if there is none."""
    canaries: list[Object] = service["spec"].get("canary") or []
    return canaries[0] if canaries else None


def stable_of(service: Object) -> tuple[str, str]:
    """Return name and version of the stable variant."""
    predictor = service["spec"]["predictor"]
    return str(predictor.get("name") or STABLE), version_label(service, predictor)


def canary_name(service: Object, version: str) -> str:
    """Return a name for the canary of a version: no other predictor of the service may have it."""
    name = f"v{version.lower()}"
    return f"{name}-2" if name == stable_of(service)[0] else name


def with_canary(service: Object, candidate: Candidate) -> Object:
    """Return the service with a canary without traffic: the stable predictor, but for the version of the model."""
    edited = deepcopy(service)
    stable = edited["spec"]["predictor"]
    predictor = {
        **{key: deepcopy(value) for key, value in stable.items() if key not in SCALING},
        "name": candidate.predictor,
        "labels": {**(stable.get("labels") or {}), VERSION_LABEL: candidate.version},
        "model": {**deepcopy(stable["model"]), "name": CONTAINER_NAME, "storageUri": candidate.uri},
    }
    edited["spec"]["canary"] = [{"trafficPercent": 0, "predictor": predictor}]
    return edited


def with_traffic(service: Object, percent: int) -> Object:
    """Return the service with another share of traffic for its canary, in percent."""
    edited = deepcopy(service)
    edited["spec"]["canary"][0]["trafficPercent"] = percent
    return edited


def promoted(service: Object) -> Object:
    """Return the service with its canary as the stable predictor.

    The predictor is taken as the canary has it, name included, so that its pods go on as they are; only scaling, which
    is no part of a pod, stays that of the stable predictor.
    """
    edited = deepcopy(service)
    spec = edited["spec"]
    (entry,) = spec.pop("canary")
    predictor, stable = entry["predictor"], spec["predictor"]
    scaling = {key: stable[key] for key in ("minReplicas", *SCALING) if key in stable}
    spec["predictor"] = {**{key: value for key, value in predictor.items() if key != "minReplicas"}, **scaling}
    labels = edited["metadata"].get("labels") or {}
    edited["metadata"]["labels"] = {**labels, VERSION_LABEL: version_label(service, predictor)}
    return edited


def without_canary(service: Object) -> Object:
    """Return the service with its stable predictor alone."""
    edited = deepcopy(service)
    edited["spec"].pop("canary", None)
    return edited


def with_rollout(service: Object, rollout: Rollout) -> Object:
    """Return the service with a rollout in its annotation."""
    annotations = {**(service["metadata"].get("annotations") or {}), ANNOTATION: rollout.model_dump_json()}
    return {**service, "metadata": {**service["metadata"], "annotations": annotations}}


def after(action: Action, service: Object, last: Rollout, goal_percent: int | None) -> tuple[Object, Rollout]:
    """Return service and rollout after an action that may be taken.

    Args:
        action: what is done.
        service: the InferenceService.
        last: its rollout.
        goal_percent: to which share of the traffic a step leads.
    """
    traffic_percent, phase = last.traffic_percent, last.phase
    match action:
        case "enter":
            # In shadow mode no user is given the candidate; the plan says what share of requests is copied.
            traffic_percent = 0 if last.plan.mode == "shadow" else last.plan.traffic_percent
            service, phase = with_traffic(service, traffic_percent), "running"
        case "step":
            traffic_percent = goal_percent or traffic_percent
            service, phase = with_traffic(service, traffic_percent), "running"
        case "pause":
            phase = "paused"
        case "resume":
            phase = "running" if traffic_percent else "starting"
        case "promote":
            traffic_percent = 100
            service, phase = promoted(service), "promoted"
        case "roll_back":
            traffic_percent = 0
            service, phase = without_canary(service), "rolled_back"
    return service, last.model_copy(update={"phase": phase, "traffic_percent": traffic_percent})
