"""Puts together what the judge sees: calls from the metrics, outcomes from the events, readiness from the object."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.address import api_url
from serving.objects import ObjectStore
from serving.rollouts.candidate import look_at_candidate
from serving.rollouts.evidence import CANARY, CONTROL, Evidence, Group
from serving.rollouts.rollout import Rollout
from serving.rollouts.sources.api_metrics import ApiCalls
from serving.rollouts.sources.calls import CallSource, Seen
from serving.rollouts.sources.events import RolloutEvents
from serving.rollouts.sources.prometheus import PrometheusCalls

MOST_MIXED = 0.01
"""Greatest share of units seen in both groups with which the assignment can still be trusted."""
CALLS_WITHOUT_EXPOSURES = 50
"""Calls of a canary after which somebody must have been enrolled, or the events do not arrive."""


class EvidenceSource:
    """Knows what there is to know about rollouts. Keep it: what was read before is not read again.

    Args:
        settings: where journals and lake are.
        objects: where the InferenceServices are.
        calls: how predictors have been called.
    """

    def __init__(self, settings: Settings, objects: ObjectStore, calls: CallSource) -> None:
        self._settings = settings
        self._objects = objects
        self._calls = calls
        self._events: dict[str, RolloutEvents] = {}
        """Of the newest rollout, by model."""
        self._unready_since: dict[str, datetime] = {}

    def count(self, rollouts: Iterable[Rollout]) -> None:
        """Note the calls so far: what they were before a rollout began is asked for later. Failures are not told."""
        with suppress(MediaReviewError):
            self._calls.read(rollouts, datetime.now(UTC))

    def read(self, rollout: Rollout, now: datetime | None = None) -> Evidence:
        """Return what is known of a rollout now. What cannot be seen is named in ``blind``; nothing is raised for it.

        Args:
            rollout: as its InferenceService says.
            now: the moment; by default the clock's.
        """
        import numpy as np

        now = now or datetime.now(UTC)
        blind: list[str] = []
        seen: Seen | None = None
        try:
            seen = self._calls.read([rollout], now)[rollout.id]
        except MediaReviewError as error:
            blind.append(error.message)
        events = self._up_to_date(rollout, now, blind)
        nobody: dict[Group, int] = {CANARY: 0, CONTROL: 0}
        enrolled = events.enrolled if events is not None else nobody
        called = seen.since_start[CANARY].total if seen is not None and rollout.plan.mode != "shadow" else 0
        if events is not None and not enrolled[CANARY] and called >= CALLS_WITHOUT_EXPOSURES:
            blind.append(f"the candidate was called {called} times, but no exposure of it has arrived")
        ready = self._ready(rollout, now, blind)
        return Evidence(
            at=now,
            enrolled=enrolled,
            calls=seen.since_start if seen else None,
            recent_calls=seen.recent if seen else None,
            outcomes=events.outcomes(now) if events is not None else {},
            candidate_ready=ready,
            unready_since=None if ready else self._unready_since.get(rollout.id),
            agreements=np.array(events.agreements) if events is not None and events.agreements else None,
            blind=tuple(blind),
        )

    def _up_to_date(self, rollout: Rollout, now: datetime, blind: list[str]) -> RolloutEvents | None:
        """Return the events so far; None if they are not all known, for half of them may tell the opposite."""
        events = self._events.get(rollout.model)
        if events is None or events.rollout.id != rollout.id:
            events = self._events[rollout.model] = RolloutEvents(self._settings, rollout)
        try:
            events.read(now)
        except Exception as error:
            # Whatever it is: failing calls must still be seen.
            blind.append(f"events cannot be read: {error}")
            return None
        if events.mixed > MOST_MIXED * (sum(events.enrolled.values()) + events.mixed):
            blind.append(f"{events.mixed} users were seen in both variants, which makes them no groups to compare")
        return events

    def _ready(self, rollout: Rollout, now: datetime, blind: list[str]) -> bool:
        try:
            ready = look_at_candidate(self._objects, rollout.model).ready
        except MediaReviewError as error:
            blind.append(f"the candidate's state cannot be read: {error.message}")
            return False
        if ready:
            self._unready_since.pop(rollout.id, None)
        else:
            self._unready_since.setdefault(rollout.id, now)
        return ready


def open_evidence(settings: Settings, objects: ObjectStore, *, keep: bool = False) -> EvidenceSource:
    """Return the source of evidence that the settings name: Prometheus, or else the API of this machine.

    Args:
        settings: of the API, the metrics, the journals and the lake.
        objects: where the InferenceServices are.
        keep: keep the history of calls for others to read, as the one who runs the rollouts does.
    """
    calls: CallSource
    if settings.metrics_url:
        calls = PrometheusCalls(settings.metrics_url)
    else:
        calls = ApiCalls(lambda: _url(settings), settings.root / "serving" / "calls.json", keep=keep)
    return EvidenceSource(settings, objects, calls)


def _url(settings: Settings) -> str:
    if settings.serving_namespace:
        raise MediaReviewError(
            "calls are not known: on a cluster they come from Prometheus", "Set MEDIAREVIEW_METRICS_URL to its URL."
        )
    return api_url(settings)
