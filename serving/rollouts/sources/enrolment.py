"""The units of an experiment, built up event by event: which group they are in, and what became of them.

Events may come in any order and more than once, from the journals and again from the lake: applying one twice changes
nothing, and what refers to something that was not seen yet waits for it a while.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from math import isnan, nan
from sys import intern

from mediareview.contracts import Exposure, Feedback, ServedAnswer
from mediareview.contracts.record import Record
from serving.rollouts.evidence import CANARY, CONTROL, Group, Outcomes
from serving.rollouts.outcomes import METRICS, Answer, Metric
from serving.rollouts.rollout import Rollout

SETTLING_S = 2.0
"""How long after its window a unit's outcome counts: the API writes its events within a second."""
PATIENCE_S = 60.0
"""How long an event waits for what it refers to, after it occurred."""
_TOLERANCE_S = 1.0
"""An answer is dated a moment before or after the exposure that it causes."""


@dataclass(slots=True)
class _Unit:
    group: Group
    since_s: float
    """When it was enrolled, in Unix time."""
    mixed: bool = False
    """Whether it was seen in both groups."""
    answers: list[Answer] = field(default_factory=list)
    values: dict[str, float] | None = None
    """Metrics, once computed and until something happens."""


class Enrolment:
    """The units of a rollout.

    Memory grows with the units and with the answers inside their windows, by one or two kilobytes each.

    Args:
        rollout: whose experiment it is.
    """

    def __init__(self, rollout: Rollout) -> None:
        self._experiment = rollout.id
        self._model = rollout.model
        self._metrics = METRICS.get(rollout.model, ())
        self._groups: dict[str, Group] = {rollout.candidate.predictor: CANARY, rollout.stable_predictor: CONTROL}
        self._window_s = rollout.plan.outcome_window_s
        self._units: dict[str, _Unit] = {}
        self._answers: dict[bytes, tuple[_Unit, Answer]] = {}
        """Answers within windows, by a digest of their request id."""
        self._waiting: list[Record] = []

    def add(self, event: Record, now: datetime) -> None:
        """Take in an exposure, an answer, or feedback; those of other experiments change nothing."""
        if not self._take(event) and (now - _occurred_at(event)).total_seconds() < PATIENCE_S:
            self._waiting.append(event)

    def settle(self, now: datetime) -> None:
        """Try again what waits, and give up what has waited too long."""
        waiting, self._waiting = self._waiting, []
        for event in sorted(waiting, key=lambda event: isinstance(event, Feedback)):
            self.add(event, now)

    @property
    def enrolled(self) -> dict[Group, int]:
        """Number of units by group, without those seen in both."""
        counts = Counter(unit.group for unit in self._units.values() if not unit.mixed)
        return {CANARY: counts[CANARY], CONTROL: counts[CONTROL]}

    @property
    def enrolled_at(self) -> dict[Group, list[datetime]]:
        """When the units of each group were enrolled, in order, without those seen in both."""
        found: dict[Group, list[float]] = {CANARY: [], CONTROL: []}
        for unit in self._units.values():
            if not unit.mixed:
                found[unit.group].append(unit.since_s)
        return {group: [datetime.fromtimestamp(at_s, UTC) for at_s in sorted(all_s)] for group, all_s in found.items()}

    @property
    def mixed(self) -> int:
        """Number of units seen in both groups; they belong to neither."""
        return sum(unit.mixed for unit in self._units.values())

    def outcomes(self, now: datetime, before: Mapping[str, Mapping[str, float]]) -> dict[str, Outcomes]:
        """Return each metric of the units whose window has passed, in the order in which it passed.

        Args:
            now: the moment of which this is the state.
            before: metric to units' values before the experiment.
        """
        latest_s = now.timestamp() - self._window_s - SETTLING_S
        mature = sorted(
            (unit.since_s, name, unit)
            for name, unit in self._units.items()
            if unit.since_s <= latest_s and not unit.mixed
        )
        return {metric.name: self._outcomes(metric, mature, before.get(metric.name)) for metric in self._metrics}

    def _outcomes(
        self, metric: Metric, mature: list[tuple[float, str, _Unit]], before: Mapping[str, float] | None
    ) -> Outcomes:
        import numpy as np

        values: dict[Group, list[float]] = {CANARY: [], CONTROL: []}
        covariates: dict[Group, list[float]] = {CANARY: [], CONTROL: []}
        missing: Counter[Group] = Counter()
        for _, name, unit in mature:
            if unit.values is None:
                unit.values = {item.name: item.of(unit.answers) for item in self._metrics}
            value = unit.values[metric.name]
            if isnan(value):
                missing[unit.group] += 1
                continue
            values[unit.group].append(value)
            if before is not None:
                covariates[unit.group].append(before.get(name, nan))
        return Outcomes(
            metric.name,
            metric.higher_is_better,
            {group: np.array(found, dtype=np.float64) for group, found in values.items()},
            {group: np.array(found, dtype=np.float64) for group, found in covariates.items()} if before else None,
            {CANARY: missing[CANARY], CONTROL: missing[CONTROL]},
            metric.span,
        )

    def _take(self, event: Record) -> bool:
        """Take in an event; return whether there is nothing to wait for."""
        if isinstance(event, Feedback):
            concerned = event.type != "impression" and event.model in (None, self._model)
            return not concerned or self._follow(event)
        if isinstance(event, Exposure | ServedAnswer) and event.experiment == self._experiment:
            return self._expose(event) if isinstance(event, Exposure) else self._answer(event)
        return True

    def _expose(self, event: Exposure) -> bool:
        group = self._groups.get(event.variant)
        if group is not None:
            since_s = event.occurred_at.timestamp()
            unit = self._units.setdefault(event.unit, _Unit(group, since_s))
            unit.mixed |= unit.group != group
            unit.since_s = min(unit.since_s, since_s)
        return True

    def _answer(self, event: ServedAnswer) -> bool:
        unit = self._units.get(event.unit)
        if unit is None:
            return False
        digest = _digest(event.request_id)
        if self._within(unit, event.occurred_at) and digest not in self._answers:
            # Titles and labels are few, and named again and again.
            titles = event.item_ids if event.labels else map(intern, event.item_ids)
            answer = Answer(
                tuple(titles), tuple(map(intern, event.labels)), tuple(event.scores if event.labels else ())
            )
            unit.answers.append(answer)
            unit.values = None
            self._answers[digest] = unit, answer
        return True

    def _follow(self, event: Feedback) -> bool:
        found = self._answers.get(_digest(event.request_id))
        if found is None:
            return False
        unit, answer = found
        if self._within(unit, event.occurred_at):
            unit.values = None
            _follow(answer, event)
        return True

    def _within(self, unit: _Unit, moment: datetime) -> bool:
        return -_TOLERANCE_S <= moment.timestamp() - unit.since_s <= self._window_s


def _follow(answer: Answer, event: Feedback) -> None:
    items = [item for item in event.item_ids if item in answer.item_ids] if event.item_ids else answer.item_ids
    at_s = event.occurred_at.timestamp()
    if event.type == "click" and items:
        answer.clicked = True
    elif event.type == "rating" and event.rating is not None:
        given = at_s, event.rating
        answer.ratings = {**answer.ratings, **{item: max(answer.ratings.get(item, given), given) for item in items}}
    elif event.type == "label" and event.label is not None and answer.labels:
        said = at_s, event.label
        answer.verdicts = {**answer.verdicts, **{item: max(answer.verdicts.get(item, said), said) for item in items}}
    elif event.type == "appeal":
        answer.appealed |= frozenset(items)


def _occurred_at(event: Record) -> datetime:
    moment: datetime = event.occurred_at  # type: ignore[attr-defined]
    return moment


def _digest(request_id: str) -> bytes:
    return blake2b(request_id.encode(), digest_size=8).digest()
