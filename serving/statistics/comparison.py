"""Compares two groups after each look, and remembers what has been excluded on the way."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serving.statistics.difference import Array, DifferencePath, difference_path, split, units_in_step


class Boundary(Protocol):
    """When one looks, and how wide the interval is then."""

    def looks(self, units: int) -> NDArray[np.intp]:
        """Return after which units one looks if there are so many."""

    def ahead(self, units: int) -> NDArray[np.intp]:
        """Return some of the looks that come after so many units, as far as one may foresee."""

    def critical(self, units: NDArray[np.intp]) -> Array:
        """Return how many standard errors the interval reaches to each side."""


@dataclass(frozen=True)
class Interval:
    """What is known of the difference treatment less control."""

    effect: float
    """At the last look."""
    low: float
    high: float
    """The bounds of all looks hold together, so these are the closest ones; those of the last look if it ``drifts``."""
    drifts: bool
    """Whether the intervals of all looks have no value in common: the difference was not the same all along."""
    ever_below: bool
    """Whether the interval of any look lay below 0."""
    ever_above: bool
    """Whether the interval of any look lay above 0."""
    standard_error: float
    treatment_mean: float
    control_mean: float
    treatment_units: int
    control_units: int

    @property
    def units(self) -> int:
        """Units that it rests on."""
        return self.treatment_units + self.control_units


def compare(
    treatment: Array,
    control: Array,
    share: float,
    boundary: Boundary,
    *,
    span: float = 1.0,
    covariates: tuple[Array, Array] | None = None,
) -> Interval | None:
    """Return the interval of the difference of two means; None before the first look.

    It depends on the outcomes in their order alone: not on when, or how often, anybody asked.

    Args:
        treatment: outcomes in order, shape [units].
        control: likewise.
        share: of treatment among all units, as assigned.
        boundary: looks and widths.
        span: greatest possible difference between two units.
        covariates: of treatment and control, shaped as they are, NaN where unknown.
    """
    looks = boundary.looks(units_in_step(len(treatment), len(control), share))
    if not len(looks):
        return None
    path = difference_path(treatment, control, looks, share, span=span, covariates=covariates)
    lows, highs = intervals(path, boundary.critical(looks))
    low, high = float(lows.max()), float(highs.min())
    drifts = low > high
    (treated,), (untreated,) = split(looks[-1:], share)
    return Interval(
        effect=float(path.effect[-1]),
        low=float(lows[-1]) if drifts else low,
        high=float(highs[-1]) if drifts else high,
        drifts=drifts,
        ever_below=high < 0,
        ever_above=low > 0,
        standard_error=float(path.standard_error[-1]),
        treatment_mean=float(path.treatment_mean[-1]),
        control_mean=float(path.control_mean[-1]),
        treatment_units=int(treated),
        control_units=int(untreated),
    )


def intervals(path: DifferencePath, critical: Array) -> tuple[Array, Array]:
    """Return the lower and upper bound at each look, shape [..., looks]."""
    radius = critical * path.standard_error
    return path.effect - radius, path.effect + radius


def units_needed(interval: Interval, boundary: Boundary, radius: float) -> int | None:
    """Return after how many units the interval will reach no further than ``radius`` from the effect.

    It is what to expect if effect and variance stay as they are; None if that is too far away to tell.
    """
    looks = boundary.ahead(interval.units)
    reach = boundary.critical(looks) * interval.standard_error * np.sqrt(interval.units / looks)
    enough = looks[reach <= radius]
    return int(enough[0]) if len(enough) else None
