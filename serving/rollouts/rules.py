"""What may be done to a rollout, and what is done already. Refusals are in words, and nothing has changed by then."""

from datetime import datetime, timedelta

from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Object
from serving.rollouts.candidate import candidate_state
from serving.rollouts.changes import Action, canary_of, stable_of
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import Candidate, Phase, Rollout

SAFETY: tuple[str, ...] = ("pause", "roll_back")
"""Actions that are never refused for reasons that lie outside the rollout: they can only make things safer."""
MOST_PENDING = 20
"""Changes that may wait for the audit log before others than safety changes are refused."""
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far behind the last change a clock may be."""

_BEFORE: dict[Action, tuple[Phase, ...]] = {
    "enter": ("starting",),
    "step": ("running",),
    "pause": ("starting", "running"),
    "resume": ("paused",),
    "promote": ("starting", "running", "paused"),
    "roll_back": ("starting", "running", "paused"),
}
_AFTER: dict[Action, Phase] = {
    "enter": "running",
    "pause": "paused",
    "promote": "promoted",
    "roll_back": "rolled_back",
}
_PHASES: dict[Phase, str] = {
    "starting": "is starting",
    "running": "is running",
    "paused": "is paused",
    "promoted": "was promoted",
    "rolled_back": "was rolled back",
}
_WORDS: dict[Action, str] = {
    "enter": "given its first traffic",
    "step": "given more traffic",
    "pause": "paused",
    "resume": "resumed",
    "promote": "promoted",
    "roll_back": "rolled back",
}


def told(rollout: Rollout) -> str:
    """Return in words how a rollout stands: ``sentiment version 3 is running at 10 %``."""
    share = f" at {rollout.traffic_percent} %" if rollout.active else ""
    return f"{rollout.model} version {rollout.candidate.version} {_PHASES[rollout.phase]}{share}"


def is_done(action: Action, rollout: Rollout, goal_percent: int | None) -> bool:
    """Whether a rollout is where an action would take it."""
    if action == "step":
        return rollout.phase == "running" and goal_percent is not None and rollout.traffic_percent >= goal_percent
    return rollout.phase == _AFTER.get(action)


def next_percent(rollout: Rollout) -> int:
    """Return the candidate's share after the next step."""
    return min(rollout.traffic_percent + rollout.plan.step_percent, rollout.plan.max_percent)


def check(action: Action, rollout: Rollout, service: Object, *, force: bool = False) -> None:
    """Check that an action may be taken.

    Args:
        action: what is to be done.
        rollout: as it stands.
        service: its InferenceService.
        force: promote what would not be promoted otherwise: in shadow mode, or before it took any traffic.

    Raises:
        MediaReviewError: it may not; nothing has changed.
    """
    if not rollout.active:
        raise MediaReviewError(
            f"The rollout has ended: {told(rollout)} at {rollout.changed_at:%Y-%m-%d %H:%M} UTC.",
            f"Start another: mediareview rollout start {rollout.model} --version VERSION",
        )
    if rollout.phase not in _BEFORE[action]:
        raise MediaReviewError(f"{told(rollout)}: it cannot be {_WORDS[action]}.", _way_on(action, rollout))
    if action in SAFETY:
        return
    _check_agreement(rollout, service)
    if action == "step":
        _check_step(rollout)
    if action == "promote" and not force and (rollout.plan.mode == "shadow" or rollout.phase == "starting"):
        why = (
            "is in shadow mode: no user has seen an answer of it" if rollout.phase != "starting" else "took no traffic"
        )
        raise MediaReviewError(
            f"{rollout.model} version {rollout.candidate.version} {why}.",
            "Show it to users first (--mode canary), or promote it with --force.",
        )
    if action in ("enter", "promote"):
        state = candidate_state(service)
        if not state.ready:
            raise MediaReviewError(
                f"{rollout.model} version {rollout.candidate.version} does not answer: {state.message}.",
                "Wait until it is ready (mediareview rollout status), or roll back.",
            )


def check_start(service: Object, last: Rollout | None, candidate: Candidate, plan: Plan) -> None:
    """Check that a rollout may be started; whether it is under way already was asked before.

    Args:
        service: the InferenceService.
        last: its last rollout.
        candidate: what is to be rolled out.
        plan: how.

    Raises:
        MediaReviewError: it may not; nothing has changed.
    """
    name = service["metadata"]["name"]
    if last is not None and last.active:
        raise MediaReviewError(
            f"{name} is busy: {told(last)}, since {last.started_at:%Y-%m-%d %H:%M} UTC.",
            f"Wait for it, or end it: mediareview rollout promote {name}, or mediareview rollout rollback {name}",
        )
    canary = canary_of(service)
    if canary is not None:
        raise MediaReviewError(
            f"{name} has a canary that no rollout made: {canary['predictor'].get('name')} "
            f"with {canary.get('trafficPercent')} % of the traffic.",
            "Remove it from spec.canary of the InferenceService, by whoever wrote it there; then start again.",
        )
    if not (service["spec"]["predictor"].get("model") or {}).get("storageUri"):
        raise MediaReviewError(
            f"{name} serves nothing yet that version {candidate.version} could be compared with.",
            f"Deploy the first version: mediareview pipeline run train-{name}, or mediareview up.",
        )
    _, version = stable_of(service)
    if version == candidate.version:
        raise MediaReviewError(
            f"{name} version {version} is what is served.", f"The others: mediareview models list {name}"
        )


def check_circumstances(name: str, last: Rollout | None, now: datetime) -> None:
    """Check the clock and the audit log, before any change but a safety change.

    Raises:
        MediaReviewError: the clock is behind, or too many changes wait for the audit log.
    """
    if last is None:
        return
    if now < last.changed_at - CLOCK_TOLERANCE:
        raise MediaReviewError(
            f"The clock says {now:%Y-%m-%d %H:%M:%S} UTC, but the last change of {name} was at "
            f"{last.changed_at:%Y-%m-%d %H:%M:%S} UTC.",
            "Correct this machine's clock, or the one of who made that change. Pause and rollback work meanwhile.",
        )
    if len(last.pending) > MOST_PENDING:
        raise MediaReviewError(
            f"{len(last.pending)} changes of {name} wait for the audit log, which cannot be written.",
            "Bring the lake back (MEDIAREVIEW_LAKE_URL); they are logged then. Pause and rollback work meanwhile.",
        )


def _check_agreement(rollout: Rollout, service: Object) -> None:
    canaries = service["spec"].get("canary") or []
    found = [(entry["predictor"].get("name"), entry.get("trafficPercent")) for entry in canaries]
    if found != [(rollout.candidate.predictor, rollout.traffic_percent)]:
        there = ", ".join(f"{name} with {percent} %" for name, percent in found) or "nothing"
        raise MediaReviewError(
            f"spec.canary of {rollout.model} was changed by hand: it holds {there}, while the rollout says "
            f"{rollout.candidate.predictor} with {rollout.traffic_percent} %.",
            f"Set it back, or end the rollout: mediareview rollout rollback {rollout.model}",
        )


def _check_step(rollout: Rollout) -> None:
    plan = rollout.plan
    if plan.mode != "canary":
        raise MediaReviewError(
            f"{told(rollout)} in {plan.mode} mode, in which traffic stays as it is.",
            "Promote it or roll it back, and start again with --mode canary to raise traffic step by step.",
        )
    if rollout.traffic_percent >= plan.max_percent:
        raise MediaReviewError(
            f"{told(rollout)}, its greatest share before it is promoted.",
            "Wait for the decision, or promote it or roll it back.",
        )


def _way_on(action: Action, rollout: Rollout) -> str:
    if rollout.phase == "paused":
        return f"Let it go on first: mediareview rollout resume {rollout.model}"
    if action == "resume":
        return "It is not paused: there is nothing to resume."
    return f"mediareview rollout status {rollout.model} says what it waits for."
