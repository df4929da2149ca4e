"""Follows one rollout's events, in the journals and in the lake."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from pydantic import ValidationError

from mediareview.contracts import Feedback, ShadowComparison
from mediareview.contracts.record import Record
from mediareview.settings import Settings
from serving.rollouts.evidence import Group, Outcomes
from serving.rollouts.rollout import Rollout
from serving.rollouts.sources.before import MOST_BYTES, PERIOD, TYPES, before, has_past
from serving.rollouts.sources.enrolment import Enrolment
from serving.rollouts.sources.journals import JournalTail
from serving.rollouts.sources.lake_events import TABLES, LakeEvents

logger = logging.getLogger(__name__)

_IMPRESSION = b'"type":"impression"'


class RolloutEvents:
    """What is known of a rollout's units, brought up to date by each ``read``.

    Args:
        settings: where journals and lake are.
        rollout: whose events are followed.
    """

    def __init__(self, settings: Settings, rollout: Rollout) -> None:
        self._settings = settings
        self.rollout = rollout
        self._lake = LakeEvents(settings)
        self._before: Mapping[str, Mapping[str, float]] | None = None
        self.skipped = 0
        """Lines that are no events."""
        self._begin()

    def read(self, now: datetime) -> None:
        """Take in what was written since the last time.

        Raises:
            OSError: a journal cannot be read.
            MediaReviewError: the lake cannot be read.
        """
        if self._lake.changed():
            # What arrives there late may be older than what is known: everything in its order again.
            self._begin()
            self._take(self._lake.of(self.rollout.id, self.rollout.started_at), now)
        for contract, tail in self._tails.items():
            self._take(self._events(tail, contract), now)
        self._enrolment.settle(now)
        if self._before is None and has_past(self.rollout):
            self._before = before(self.rollout, self._past())

    @property
    def enrolled(self) -> dict[Group, int]:
        """Number of units by group."""
        return self._enrolment.enrolled

    @property
    def enrolled_at(self) -> dict[Group, list[datetime]]:
        """When the units of each group were enrolled, in order."""
        return self._enrolment.enrolled_at

    @property
    def mixed(self) -> int:
        """Number of units seen in both groups; they belong to neither."""
        return self._enrolment.mixed

    def outcomes(self, now: datetime) -> dict[str, Outcomes]:
        """Return the metrics of the units whose window has passed."""
        return self._enrolment.outcomes(now, self._before or {})

    @property
    def agreements(self) -> list[float]:
        """How far the candidate said the same as the stable version, 0 to 1, for each copy of a request."""
        return list(self._agreements.values())

    def _begin(self) -> None:
        events, since = self._settings.events, self.rollout.started_at
        self._enrolment = Enrolment(self.rollout)
        self._agreements: dict[str, float] = {}
        self._tails = {contract: JournalTail(events / contract.table, since) for contract in TABLES}

    def _take(self, events: Iterable[Record], now: datetime) -> None:
        for event in events:
            if isinstance(event, ShadowComparison):
                self._agreements[event.request_id] = event.agreement
            else:
                self._enrolment.add(event, now)

    def _events(self, tail: JournalTail, contract: type[Record]) -> Iterator[Record]:
        mine = self.rollout.id.encode()
        for line in tail.lines():
            if _IMPRESSION in line if contract is Feedback else mine not in line:
                continue
            try:
                yield contract.model_validate_json(line)
            except ValidationError as error:
                self.skipped += 1
                if self.skipped == 1:
                    # Without the line: it may name a user.
                    found = error.errors(include_input=False, include_url=False, include_context=False)[0]
                    logger.warning("A line in %s is no event and is skipped: %s", tail.directory, found)

    def _past(self) -> Iterator[Record]:
        """Yield feedback from before the rollout."""
        since, until = self.rollout.started_at - PERIOD, self.rollout.started_at
        yield from self._lake.feedback(since, until, TYPES)
        for line in JournalTail(self._settings.events / Feedback.table, since, until, MOST_BYTES).lines():
            try:
                yield Feedback.model_validate_json(line)
            except ValidationError:
                continue  # counted where it is read as news
