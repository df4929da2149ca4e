"""What there is to see of a rollout: the object, the evidence, what the judge says of it, and the audit log."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from mediareview.contracts import RolloutChange
from mediareview.errors import MediaReviewError
from serving.objects import ObjectStore, Variant, variants
from serving.rollouts.evidence import Calls, Evidence, Outcomes
from serving.rollouts.judge import judge
from serving.rollouts.latency import quantile_s
from serving.rollouts.rollout import Rollout, rollout_of
from serving.rollouts.rules import next_percent
from serving.rollouts.verdict import Verdict

History = Callable[[str], list[RolloutChange]]


class Source(Protocol):
    """Knows what became of those who were enrolled."""

    def read(self, rollout: Rollout, now: datetime | None = None) -> Evidence:
        """Return what is known of a rollout at a moment.

        Raises:
            MediaReviewError: nothing of it can be seen.
        """


@dataclass(frozen=True)
class View:
    """A model's rollout at a moment."""

    model: str
    at: datetime
    served: tuple[Variant, ...]
    """The stable variant first."""
    rollout: Rollout | None
    """The newest, under way or ended; None if there never was one."""
    evidence: Evidence | None
    verdict: Verdict | None
    """What the judge says now; of a rollout that has ended, what it found last."""
    changes: tuple[RolloutChange, ...]
    """Of this rollout, oldest first."""
    unseen: tuple[str, ...]
    """What could not be read, and why."""

    @property
    def next_step(self) -> tuple[int, datetime] | None:
        """The share that the next step would give the candidate, and the earliest moment of it."""
        rollout = self.rollout
        if rollout is None or rollout.phase != "running" or rollout.plan.mode != "canary":
            return None
        percent = next_percent(rollout)
        if percent <= rollout.traffic_percent:
            return None
        return percent, rollout.changed_at + timedelta(seconds=rollout.plan.every_s)


def read_view(name: str, objects: ObjectStore, history: History, source: Source, now: datetime | None = None) -> View:
    """Look at a model's rollout; nothing is changed. What cannot be read is said, and the rest is shown.

    Args:
        name: the InferenceService.
        objects: where it is.
        history: returns the changes of a model, oldest first.
        source: of the evidence.
        now: the moment; the present one by default.

    Raises:
        MissingError: there is no such InferenceService.
        MediaReviewError: its annotation cannot be read.
    """
    service = objects.get(name)
    rollout = rollout_of(service)
    at, unseen = now or datetime.now(UTC), []
    evidence: Evidence | None = None
    verdict: Verdict | None = None
    changes: tuple[RolloutChange, ...] = ()
    if rollout is not None:
        try:
            changes = tuple(change for change in history(name) if change.rollout == rollout.id)
        except MediaReviewError as error:
            changes = rollout.pending
            unseen.append(error.message)
        try:
            # What became of the units since a rollout ended had no part in it.
            evidence = source.read(rollout, at if rollout.active else rollout.changed_at)
            verdict = judge(rollout, evidence) if rollout.active else _last_verdict(rollout, changes, evidence)
            unseen += evidence.blind
        except MediaReviewError as error:
            unseen.append(error.message)
    return View(name, at, tuple(variants(service)), rollout, evidence, verdict, changes, tuple(unseen))


def _last_verdict(rollout: Rollout, changes: tuple[RolloutChange, ...], evidence: Evidence) -> Verdict:
    """Return the verdict by which a rollout was ended; if a person ended it, what is found of it as it was before."""
    try:
        return Verdict.model_validate(json.loads(changes[-1].evidence)["verdict"])
    except (IndexError, KeyError, TypeError, ValueError):
        before = changes[-2].traffic_percent if len(changes) > 1 else rollout.plan.traffic_percent
        return judge(rollout.model_copy(update={"traffic_percent": before}), evidence)


def document(view: View) -> dict[str, Any]:
    """Return a view as JSON: times in ISO 8601, durations in seconds, shares of traffic in percent.

    The keys ``model``, ``at``, ``served``, ``rollout``, ``evidence``, ``verdict`` and ``unseen`` are always there;
    ``rollout``, ``evidence`` and ``verdict`` are null where there is none.
    """
    next_step = view.next_step
    rollout = view.rollout.model_dump(mode="json", exclude={"pending"}) if view.rollout else None
    if view.rollout and rollout:
        rollout["not_logged_yet"] = len(view.rollout.pending)
        rollout["next_step"] = (
            {"traffic_percent": next_step[0], "not_before": next_step[1].isoformat()} if next_step else None
        )
    return {
        "model": view.model,
        "at": view.at.isoformat(),
        "served": [
            {"variant": item.name, "version": item.version, "traffic_percent": item.traffic_percent}
            for item in view.served
        ],
        "rollout": rollout,
        "evidence": _evidence(view.evidence) if view.evidence else None,
        "verdict": _finite(view.verdict.model_dump(mode="json")) if view.verdict else None,
        "unseen": list(view.unseen),
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "at": evidence.at.isoformat(),
        "candidate_ready": evidence.candidate_ready,
        "enrolled": dict(evidence.enrolled),
        "calls": _calls(evidence.calls),
        "recent_calls": _calls(evidence.recent_calls),
        "outcomes": {name: _outcomes(outcomes) for name, outcomes in evidence.outcomes.items()},
        "agreements": _agreements(evidence),
        "blind": list(evidence.blind),
    }


def _calls(calls: Mapping[Any, Calls] | None) -> dict[str, Any] | None:
    if calls is None:
        return None
    return {
        group: {
            "answered": item.answered,
            "failed": item.failed,
            "p50_s": quantile_s(item, 0.5),
            "p95_s": quantile_s(item, 0.95),
            "latency": {str(bound): count for bound, count in item.latency.items()},
        }
        for group, item in calls.items()
    }


def _outcomes(outcomes: Outcomes) -> dict[str, Any]:
    return {
        "higher_is_better": outcomes.higher_is_better,
        "groups": {
            group: {
                "units": len(values),
                "mean": float(values.mean()) if len(values) else None,
                "missing": outcomes.missing.get(group, 0),
            }
            for group, values in outcomes.values.items()
        },
    }


def _agreements(evidence: Evidence) -> dict[str, Any] | None:
    """Return how alike both variants answered, in shadow mode."""
    found = evidence.agreements
    if found is None:
        return None
    return {"comparisons": len(found), "mean": float(found.mean()) if len(found) else None}


def _finite(value: Any) -> Any:
    """Return a document whose NaN and infinities, which JSON does not have, are null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
