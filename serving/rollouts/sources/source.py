"""Puts together what the judge sees: calls from the metrics, outcomes from the events, readiness from the object."""

import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.address import api_url
from serving.objects import ObjectStore
from serving.rollouts.candidate import look_at_candidate
from serving.rollouts.evidence import CANARY, Evidence
from serving.rollouts.rollout import Rollout
from serving.rollouts.sources.api_metrics import ApiCalls
from serving.rollouts.sources.calls import CallSource, Seen
from serving.rollouts.sources.events import RolloutEvents
from serving.rollouts.sources.prometheus import PrometheusCalls

logger = logging.getLogger(__name__)

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
        # Those of rollouts that have ended are let go when the next one of the model begins.
        self._events = {
            key: events
            for key, events in self._events.items()
            if key == rollout.id or events.rollout.model != rollout.model
        }
        events = self._events.setdefault(rollout.id, RolloutEvents(self._settings, rollout))
        try:
            events.read(now)
        except (MediaReviewError, OSError) as error:
            blind.append(f"events cannot be read: {error}")
        enrolled = events.enrolled
        if events.mixed > MOST_MIXED * (sum(enrolled.values()) + events.mixed):
            blind.append(f"{events.mixed} users were seen in both variants, which makes them no groups to compare")
        if (
            seen is not None
            and rollout.plan.mode != "shadow"
            and enrolled[CANARY] == 0
            and seen.since_start[CANARY].total >= CALLS_WITHOUT_EXPOSURES
        ):
            blind.append(
                f"the candidate was called {seen.since_start[CANARY].total} times, but no exposure of it has arrived"
            )
        ready = self._ready(rollout, now, blind)
        return Evidence(
            at=now,
            enrolled=enrolled,
            calls=seen.since_start if seen else None,
            recent_calls=seen.recent if seen else None,
            outcomes=events.outcomes(now),
            candidate_ready=ready,
            unready_since=None if ready else self._unready_since.get(rollout.id),
            agreements=np.array(events.agreements) if rollout.plan.mode == "shadow" else None,
            blind=tuple(blind),
        )

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
