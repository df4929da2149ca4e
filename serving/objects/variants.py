"""What an InferenceService says of its predictors: which versions there are, where, and how traffic is shared.

The stand-in writes each predictor's address into ``status.components.predictor.traffic``, where KServe writes it with
Knative. In Standard mode KServe writes no such thing, and the ``url`` of the predictor is its host outside the cluster;
but it gives each predictor, stable or canary, a Service whose name follows from its own (``predictor_name``), port 80.
(kserve/kserve: ``components/predictor.go``, ``reconcilers/service/service_reconciler.go``,
``apis/serving/v1beta1/inference_service_status.go``, ``test/e2e/predictor/test_canary_raw_deployment.py``.)
"""

from dataclasses import dataclass
from typing import Any

from mediareview.kubernetes import Object
from serving.objects.names import VERSION_LABEL

STABLE = "stable"
"""Name of the stable variant, unless a promotion gave its predictor another."""


@dataclass(frozen=True)
class Variant:
    """A predictor of an InferenceService."""

    name: str
    """``predictor.name``; ``stable`` for a stable predictor without a name."""
    version: str
    """Registry version of the model; empty if no label says it."""
    traffic_percent: int
    """Declared share of the traffic, 0 to 100; 0 is a dark launch."""
    url: str | None
    """Base URL of the predictor; None while it does not answer."""


def variants(service: Object) -> list[Variant]:
    """Return the variants of an InferenceService, the stable one first, canaries as listed in ``spec.canary``.

    From the stand-in the version is the one that answers at the URL: while a new artifact starts, that is still the old
    one. From a cluster it is the declared one; while pods are being replaced, both answer at the URL and name theirs.
    """
    canaries = service["spec"].get("canary") or []
    shares = [int(entry["trafficPercent"]) for entry in canaries]
    predictors = [service["spec"]["predictor"], *(entry["predictor"] for entry in canaries)]
    answering = _in_cluster(service) if service["metadata"].get("namespace") else _local(service)
    found = []
    for predictor, share in zip(predictors, [100 - sum(shares), *shares], strict=True):
        name = str(predictor.get("name") or STABLE)
        version, url = answering.get(name, (None, None))
        found.append(Variant(name, version or version_label(service, predictor), share, url))
    return found


def predictor_name(service: str, predictor: str = "") -> str:
    """Return how KServe names the Deployment and the Service of a predictor, whose own name may be empty."""
    return f"{service}-{predictor}-predictor" if predictor else f"{service}-predictor"


def version_label(service: Object, predictor: Object) -> str:
    """Return the version that a predictor's labels declare, or else those of its InferenceService."""
    labels = predictor.get("labels") or service["metadata"].get("labels") or {}
    return str(labels.get(VERSION_LABEL, ""))


def is_ready(service: Object) -> bool:
    """Whether everything the newest spec asks for is running and ready.

    On a cluster this may speak of the spec before: what KServe writes as ``observedGeneration`` counts changes of the
    predictor's Deployment. ``serving.objects.progress`` asks the Deployment.
    """
    status = service.get("status") or {}
    current = bool(service["metadata"].get("namespace")) or (
        status.get("observedGeneration") == service["metadata"].get("generation")
    )
    return current and _condition(service, "Ready").get("status") == "True"


def _local(service: Object) -> dict[str, tuple[str | None, str | None]]:
    """Return version and URL of the predictors that the stand-in runs, by name."""
    predictor = ((service.get("status") or {}).get("components") or {}).get("predictor") or {}
    targets = [target for target in predictor.get("traffic") or [] if "tag" in target]
    return {target["tag"]: (target.get("revisionName"), target.get("url")) for target in targets}


def _in_cluster(service: Object) -> dict[str, tuple[str | None, str | None]]:
    """Return the URLs of the predictors that KServe runs, by name.

    A canary has one while a pod of it is available. The stable predictor has one from its first artifact on, whatever
    its conditions say: while only some of its pods are unavailable, the others answer.
    """
    status, metadata = service.get("status") or {}, service["metadata"]

    def url(name: str) -> str:
        return f"http://{predictor_name(metadata['name'], name)}.{metadata['namespace']}.svc"

    stable = service["spec"]["predictor"]
    stopped = _condition(service, "PredictorReady").get("reason") == "Stopped"
    serves = bool(status and (stable.get("model") or {}).get("storageUri")) and not stopped
    found: dict[str, tuple[str | None, str | None]] = {}
    if serves:
        found[str(stable.get("name") or STABLE)] = (None, url(stable.get("name") or ""))
    for canary in status.get("canaryStatuses") or []:
        if canary.get("ready") and not stopped:
            found.setdefault(canary["name"], (None, url(canary["name"])))
    return found


def _condition(service: Object, kind: str) -> dict[str, Any]:
    conditions: list[dict[str, Any]] = (service.get("status") or {}).get("conditions") or []
    return next((item for item in conditions if item["type"] == kind), {})
