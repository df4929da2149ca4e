"""The quality metrics of each model: what a unit made of the answers it got within its outcome window."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import nan
from types import MappingProxyType
from typing import Any

from serving.rollouts.plan import Plan

_NOTHING: Mapping[str, tuple[float, Any]] = MappingProxyType({})
"""To most answers nothing happens: they share it."""


@dataclass(slots=True)
class Answer:
    """An answer to a unit, with what happened to it within the unit's window."""

    item_ids: tuple[str, ...]
    labels: tuple[str, ...] = ()
    """What was said of each item; empty for recommendations."""
    scores: tuple[float, ...] = ()
    """How sure the model was of each."""
    clicked: bool = False
    """Whether a title that was shown was clicked."""
    ratings: Mapping[str, tuple[float, float]] = field(default_factory=lambda: _NOTHING)
    """Title shown to when it was rated last (Unix time, s), and the stars."""
    verdicts: Mapping[str, tuple[float, str]] = field(default_factory=lambda: _NOTHING)
    """Item judged to when a person labelled it last (Unix time, s), and the right label."""
    appealed: frozenset[str] = frozenset()

    def agrees(self, item_id: str) -> bool:
        """Whether the person who labelled an item says of it what the model said."""
        said = self.labels[self.item_ids.index(item_id)]
        return said.casefold() == self.verdicts[item_id][1].casefold()


@dataclass(frozen=True)
class Metric:
    """A number that each unit has, or does not have: NaN."""

    name: str
    higher_is_better: bool | None
    """None if neither is: two versions should say much the same, whichever is right."""
    of: Callable[[list[Answer]], float]
    """The metric of a unit, from the answers it got."""
    span: float = 1.0
    """Greatest possible difference between two units."""


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else nan


def _click_rate(answers: list[Answer]) -> float:
    return _ratio(sum(answer.clicked for answer in answers), len(answers))


def _rating(answers: list[Answer]) -> float:
    stars = [stars for answer in answers for _, stars in answer.ratings.values()]
    return _ratio(sum(stars), len(stars))


def _agreement(answers: list[Answer]) -> float:
    agrees = [answer.agrees(item) for answer in answers for item in answer.verdicts]
    return _ratio(sum(agrees), len(agrees))


def _appeal_rate(answers: list[Answer]) -> float:
    return _ratio(sum(len(answer.appealed) for answer in answers), sum(len(answer.item_ids) for answer in answers))


def _overturn_rate(answers: list[Answer]) -> float:
    overturned = sum(
        item in answer.verdicts and not answer.agrees(item) for answer in answers for item in answer.appealed
    )
    return _ratio(overturned, sum(len(answer.item_ids) for answer in answers))


def _share(label: str) -> Callable[[list[Answer]], float]:
    def of(answers: list[Answer]) -> float:
        labels = [said for answer in answers for said in answer.labels]
        return _ratio(labels.count(label), len(labels))

    return of


def _score(answers: list[Answer]) -> float:
    scores = [score for answer in answers for score in answer.scores]
    return _ratio(sum(scores), len(scores))


AGREEMENT = Metric("agreement", True, _agreement)
"""Share of a unit's labelled items of which the model said what a person said later."""

METRICS: Mapping[str, tuple[Metric, ...]] = {
    "recommender": (
        # Share of answers with at least one click on a title shown.
        Metric("click_rate", True, _click_rate),
        # Mean stars of titles shown.
        Metric("rating", True, _rating, span=4.5),
    ),
    "sentiment": (
        AGREEMENT,
        *(Metric(f"{label}_share", None, _share(label)) for label in ("negative", "neutral", "positive")),
        # Mean probability of what was said.
        Metric("score", None, _score),
    ),
    "moderation": (
        AGREEMENT,
        # Share of items whose action was appealed against.
        Metric("appeal_rate", False, _appeal_rate),
        # Share of items whose action was appealed against, and by a person's label was wrong.
        Metric("overturn_rate", False, _overturn_rate),
        *(Metric(f"{action}_share", None, _share(action)) for action in ("review", "block")),
        # Mean of the greatest probability of a category.
        Metric("score", None, _score),
    ),
}
"""Model to its metrics; the first decides, unless the plan names another of which more or less is better."""


def deciding_metric(model: str, plan: Plan) -> str:
    """Return the name of the metric that decides a rollout; empty if the model has none."""
    metrics = METRICS.get(model, ())
    return plan.metric or (metrics[0].name if metrics else "")
