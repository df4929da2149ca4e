"""Clicks per answer of a candidate, by inverse propensity, self-normalised, and doubly robust."""

from dataclasses import dataclass

import numpy as np

from serving.off_policy.positions import NOTHING, Floats, Positions
from serving.off_policy.reward_model import click_rates

QUANTILE = 1.959963984540054
"""Of the normal distribution, for intervals of 95 %."""


@dataclass(frozen=True)
class Estimate:
    """Clicks per answer, with the 95 % interval."""

    method: str
    clicks_per_answer: float
    low: float
    high: float
    difference: float
    """To what the answers logged were clicked."""
    difference_low: float
    difference_high: float


@dataclass(frozen=True)
class _Ratio:
    """A quotient of sums over units, and how much each unit moves it (its influence, [n_units])."""

    value: float
    influence: Floats

    def interval(self) -> tuple[float, float]:
        n = len(self.influence)
        error = float(np.sqrt((self.influence**2).sum() * n / max(n - 1, 1)))
        return self.value - QUANTILE * error, self.value + QUANTILE * error


def estimates(logged: Positions, max_weight: float | None = None) -> list[Estimate]:
    """Return the three estimates.

    IPS is unbiased if every title that the candidate wants could have been shown. SNIPS divides by the sum of the
    weights instead of its expectation: less noise for a little bias. DR adds to a model's prediction what the weighted
    clicks say of its errors: right if either the propensities or the model are.

    The intervals are asymptotically normal, from the influence of each unit, so that a unit with many answers, which
    resemble each other, counts once. They are honest where ``refuse_if_unreliable`` has no objection.

    Args:
        logged: what was shown and clicked, and what the candidate would have shown.
        max_weight: greater weights are cut to this: less noise, but estimates become too small.
    """
    weight = logged.weight if max_weight is None else np.minimum(logged.weight, max_weight)
    of_shown, of_wanted = click_rates(logged)
    answers = _answers_by_unit(logged)
    places = _by_unit(logged, (logged.wanted != NOTHING).astype(np.float64))
    weighted_clicks = _by_unit(logged, weight * logged.clicked)
    logging = _logged(logged)
    found = {
        "IPS": _ratio(weighted_clicks, answers),
        "SNIPS": _product(_ratio(weighted_clicks, _by_unit(logged, weight)), _ratio(places, answers)),
        "DR": _ratio(_by_unit(logged, of_wanted + weight * (logged.clicked - of_shown)), answers),
    }
    return [_estimate(method, ratio, logging) for method, ratio in found.items()]


def logged_clicks(logged: Positions) -> Estimate:
    """Return what the answers logged were clicked: the candidate's standard of comparison."""
    ratio = _logged(logged)
    return Estimate("logged", ratio.value, *ratio.interval(), 0.0, 0.0, 0.0)


def _logged(logged: Positions) -> _Ratio:
    return _ratio(_by_unit(logged, logged.clicked), _answers_by_unit(logged))


def _estimate(method: str, ratio: _Ratio, logging: _Ratio) -> Estimate:
    difference = _Ratio(ratio.value - logging.value, ratio.influence - logging.influence)
    return Estimate(method, ratio.value, *ratio.interval(), difference.value, *difference.interval())


def _ratio(above: Floats, below: Floats) -> _Ratio:
    """Return the quotient of the sums of two arrays [n_units]; NaN if there is nothing to divide by."""
    total = below.sum()
    value = above.sum() / total if total else np.nan
    return _Ratio(float(value), (above - value * below) / (total or np.nan))


def _product(first: _Ratio, second: _Ratio) -> _Ratio:
    influence = first.influence * second.value + first.value * second.influence
    return _Ratio(first.value * second.value, influence)


def _by_unit(logged: Positions, values: Floats) -> Floats:
    """Return the sum of values [n_positions] for each unit."""
    return np.asarray(np.bincount(logged.unit, values, minlength=logged.n_units), np.float64)


def _answers_by_unit(logged: Positions) -> Floats:
    return _by_unit(logged, (logged.place == 0).astype(np.float64))
