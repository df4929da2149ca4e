"""The experiment that an InferenceService declares: two variants, and how users are shared between them."""

from dataclasses import dataclass

from mediareview.kubernetes import Object
from serving.objects.variants import STABLE
from serving.rollouts.plan import Mode
from serving.rollouts.rollout import rollout_of

UNPLANNED_MAX_PERCENT = 50
"""Greatest share of a canary that somebody wrote into ``spec.canary`` by hand."""


@dataclass(frozen=True)
class Experiment:
    """Two variants of a model that share its users."""

    id: str
    mode: Mode
    stable: str
    """Name of the stable variant."""
    canary: str
    """Name of the canary variant."""
    traffic_percent: int
    """The canary's share of the users, 0 to 100; in shadow mode the share of requests that is copied to it."""
    max_percent: int
    """The greatest share that it may come to have; those above it are the control group."""


def experiment_of(service: Object) -> Experiment | None:
    """Return the experiment of an InferenceService; None if it has one variant only.

    ``spec.canary`` is the truth about percentages; the rollout's annotation adds the plan. A canary that somebody wrote
    there by hand is shared out like any other.

    Raises:
        MediaReviewError: the rollout's annotation cannot be read.
    """
    unplanned = unplanned_experiment(service)
    if unplanned is None:
        return None
    stable, canary, percent = unplanned.stable, unplanned.canary, unplanned.traffic_percent
    rollout = rollout_of(service)
    if rollout is None or not rollout.active or rollout.candidate.predictor != canary:
        return unplanned
    plan = rollout.plan
    if plan.mode == "shadow":
        copied = plan.traffic_percent if rollout.phase == "running" else 0
        return Experiment(rollout.id, "shadow", stable, canary, copied, plan.max_percent)
    most = percent if plan.mode == "ab" and percent else plan.max_percent
    return Experiment(rollout.id, plan.mode, stable, canary, percent, max(percent, most))


def unplanned_experiment(service: Object) -> Experiment | None:
    """Return the experiment that ``spec.canary`` alone declares; None if there is one variant only."""
    canaries = service["spec"].get("canary") or []
    if not canaries:
        return None
    entry = canaries[0]
    name, percent = str(entry["predictor"]["name"]), int(entry["trafficPercent"])
    stable = str(service["spec"]["predictor"].get("name") or STABLE)
    id_ = f"{service['metadata']['name']}-{name}"
    return Experiment(id_, "canary", stable, name, percent, max(percent, UNPLANNED_MAX_PERCENT))
