"""Rollouts as they are read: in any phase, with evidence from a seeded world."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from mediareview.contracts import RolloutChange
from mediareview.errors import MediaReviewError
from serving.objects import ObjectDirectory
from serving.rollouts.evidence import CANARY, CONTROL, Calls, Evidence, Group, Outcomes
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import ANNOTATION, Candidate, Phase, Rollout
from serving.rollouts.view import View, read_view

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
START = NOW - timedelta(minutes=35)
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

_STEPS: tuple[tuple[str, Phase, int, float], ...] = (
    ("start", "starting", 0, 0.0),
    ("enter", "running", 10, 0.5),
    ("step", "running", 20, 11.0),
    ("step", "running", 30, 22.0),
)
_LAST: dict[str, tuple[str, Phase, int, float]] = {
    "paused": ("pause", "paused", 30, 33.0),
    "promoted": ("promote", "promoted", 100, 33.0),
    "rolled_back": ("roll_back", "rolled_back", 0, 33.0),
}


def changes(phase: str, reason: str = "all is well", evidence: str = "") -> list[RolloutChange]:
    """Return the changes that lead to a phase, from ``starting`` on."""
    steps = _STEPS[:1] if phase == "starting" else [*_STEPS, *([_LAST[phase]] if phase in _LAST else [])]
    return [
        RolloutChange(
            change_id=f"c{number}",
            rollout="sentiment-v2-ab12",
            sequence=number,
            model="sentiment",
            version="2",
            stable_version="1",
            action=action,
            phase=after,
            traffic_percent=percent,
            actor="ann@laptop" if number == 1 else "controller",
            reason=reason,
            evidence=evidence if number == len(steps) else "",
            occurred_at=START + timedelta(minutes=minutes),
        )
        for number, (action, after, percent, minutes) in enumerate(steps, 1)
    ]


def rollout(phase: str = "running", plan: Plan | None = None, reason: str = "all is well") -> Rollout:
    """Return a rollout in a phase."""
    last = changes(phase, reason)[-1]
    return Rollout(
        id=last.rollout,
        model="sentiment",
        candidate=Candidate(version="2", uri="file:///models/2", predictor="v2"),
        stable_version="1",
        stable_predictor="stable",
        plan=plan or Plan(outcome_window_s=60),
        phase=last.phase,
        traffic_percent=last.traffic_percent,
        sequence=last.sequence,
        started_at=START,
        changed_at=last.occurred_at,
        reason=reason,
    )


def evidence(gain: float = 0.03, units: int = 1000, **changed: Any) -> Evidence:
    """Return evidence on a candidate that is better by ``gain``."""
    random = np.random.default_rng(7)

    def calls(answered: int, failed: int, median_s: float) -> Calls:
        seconds = random.lognormal(np.log(median_s), 0.5, answered)
        return Calls(answered, failed, {bound: int((seconds <= bound).sum()) for bound in BOUNDS_S})

    counted: dict[Group, Calls] = {CANARY: calls(6100, 3, 0.02), CONTROL: calls(14500, 5, 0.018)}
    values = {
        CANARY: random.binomial(1, 0.78 + gain, units).astype(float),
        CONTROL: random.binomial(1, 0.78, units).astype(float),
    }
    found: dict[str, Any] = {
        "at": NOW,
        "enrolled": {CANARY: units + 200, CONTROL: units + 190},
        "calls": counted,
        "recent_calls": counted,
        "outcomes": {"agreement": Outcomes("agreement", True, values, missing={CANARY: 12, CONTROL: 13})},
        "candidate_ready": True,
        **changed,
    }
    return Evidence(**found)


class Source:
    """Evidence that was prepared, or the reason why there is none."""

    def __init__(self, found: Evidence | MediaReviewError) -> None:
        self.found = found
        self.asked: list[datetime | None] = []

    def read(self, rollout: Rollout, now: datetime | None = None) -> Evidence:
        self.asked.append(now)
        if isinstance(self.found, MediaReviewError):
            raise self.found
        return self.found


def serve(objects: ObjectDirectory, running: Rollout | None) -> None:
    """Write the InferenceService of a rollout."""
    annotations = {ANNOTATION: running.model_dump_json()} if running else {}
    shared = running is not None and running.active
    canary = [{"trafficPercent": running.traffic_percent, "predictor": {"name": "v2"}}] if running and shared else []
    objects.apply(
        {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": "sentiment", "annotations": annotations},
            "spec": {"predictor": {"model": {"storageUri": "file:///models/1"}}, "canary": canary},
        }
    )


def view(phase: str = "running", plan: Plan | None = None, reason: str = "all is well", **changed: Any) -> View:
    """Return the view of a rollout in a phase."""
    with TemporaryDirectory() as directory:
        objects = ObjectDirectory(Path(directory))
        serve(objects, rollout(phase, plan, reason))
        return read_view("sentiment", objects, lambda name: changes(phase, reason), Source(evidence(**changed)), NOW)
