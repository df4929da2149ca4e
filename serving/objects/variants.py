"""What an InferenceService says of its predictors: which versions there are, where, and how traffic is shared."""

from dataclasses import dataclass
from typing import Any

from serving.objects.directory import Object
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

    The version is the one that answers at the URL: while a new artifact starts, that is still the old version.
    """
    canaries = service["spec"].get("canary") or []
    shares = [int(entry["trafficPercent"]) for entry in canaries]
    predictors = [service["spec"]["predictor"], *(entry["predictor"] for entry in canaries)]
    targets = {target["tag"]: target for target in _traffic(service) if "tag" in target}
    found = []
    for predictor, share in zip(predictors, [100 - sum(shares), *shares], strict=True):
        name = str(predictor.get("name") or STABLE)
        target = targets.get(name, {})
        declared = version_label(service, predictor)
        found.append(Variant(name, str(target.get("revisionName", declared)), share, target.get("url")))
    return found


def version_label(service: Object, predictor: Object) -> str:
    """Return the version that a predictor's labels declare, or else those of its InferenceService."""
    labels = predictor.get("labels") or service["metadata"].get("labels") or {}
    return str(labels.get(VERSION_LABEL, ""))


def is_ready(service: Object) -> bool:
    """Whether everything the newest spec asks for is running and ready."""
    status = service.get("status") or {}
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions", []))
    return ready and status.get("observedGeneration") == service["metadata"].get("generation")


def _traffic(service: Object) -> list[dict[str, Any]]:
    predictor = ((service.get("status") or {}).get("components") or {}).get("predictor") or {}
    return list(predictor.get("traffic") or [])
