"""Logged answers and what a candidate would have shown, as arrays: one row for each place of each answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.off_policy.logs import LoggedAnswer

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NOTHING = -1
"""What a candidate wants at a place for which it has no title."""


@dataclass(frozen=True)
class Positions:
    """All arrays have the shape [n_positions]; answers, units and titles are numbered from 0."""

    answer: Integers
    unit: Integers
    """Who got the answer. One unit's answers depend on each other, those of two do not."""
    place: Integers
    """From 0, the top."""
    shown: Integers
    """The title that was shown."""
    wanted: Integers
    """The title that the candidate would have shown; ``NOTHING`` if it has none."""
    propensity: Floats
    """Probability with which the title shown came to this place, in (0, 1]."""
    clicked: Floats
    """1 if it was clicked, else 0."""

    @property
    def weight(self) -> Floats:
        """Inverse propensity where the candidate would have shown what was shown, 0 elsewhere."""
        return np.where(self.shown == self.wanted, 1.0 / self.propensity, 0.0)

    @property
    def n_answers(self) -> int:
        """Number of answers."""
        return int(self.answer.max()) + 1 if len(self.answer) else 0

    @property
    def n_units(self) -> int:
        """Number of units."""
        return int(self.unit.max()) + 1 if len(self.unit) else 0


def positions(answers: Sequence[LoggedAnswer], wanted: Sequence[Sequence[str]]) -> Positions:
    """Return the positions of answers, and of what a candidate would have shown in their stead.

    Args:
        answers: what was shown, each with a propensity for each title.
        wanted: the candidate's titles, best first, for each answer; those below the answer's last place do not count.
    """
    sizes = [len(answer.shown) for answer in answers]
    titles: dict[str, int] = {}

    def number(title: str) -> int:
        return titles.setdefault(title, len(titles))

    units: dict[str, int] = {}
    shown = [number(title) for answer in answers for title in answer.shown]
    wishes = [
        number(ranked[place]) if place < len(ranked) else NOTHING
        for ranked, size in zip(wanted, sizes, strict=True)
        for place in range(size)
    ]
    return Positions(
        answer=np.repeat(np.arange(len(answers)), sizes),
        unit=np.repeat(np.array([units.setdefault(item.unit, len(units)) for item in answers], np.int64), sizes),
        place=np.array([place for size in sizes for place in range(size)], np.int64),
        shown=np.array(shown, np.int64),
        wanted=np.array(wishes, np.int64),
        propensity=np.array([value for answer in answers for value in answer.propensities], np.float64),
        clicked=np.array([float(title in answer.clicked) for answer in answers for title in answer.shown], np.float64),
    )
