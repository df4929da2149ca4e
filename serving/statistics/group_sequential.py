"""Group-sequential boundaries for a known maximum of units: few looks, and little is paid for them.

Lan and DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983), with the spending function
that resembles O'Brien and Fleming's. The probability of crossing at each look is integrated numerically over where the
process may be that has not crossed before (Armitage, McPherson and Rowe, JRSS A 132, 1969).
"""

from dataclasses import dataclass
from functools import lru_cache
from math import erfc, pi, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

LOOKS = 5
_NODES = 256


@dataclass(frozen=True)
class GroupSequential:
    """Two-sided intervals at equally spaced looks, valid together (Jennison and Turnbull, JRSS B 51, 1989).

    Args:
        alpha: probability that any of the intervals misses the truth, 0 to 1.
        burn_in: units before the first look; earlier looks are left out.
        max_units: units at the last look, at least ``burn_in``.
    """

    alpha: float
    burn_in: int
    max_units: int

    def looks(self, units: int) -> NDArray[np.intp]:
        """Return after which units one looks if there are so many; whoever looks later sees the same."""
        planned = self._planned()
        return planned[planned <= units]

    def ahead(self, units: int) -> NDArray[np.intp]:
        """Return the looks that come after so many units."""
        planned = self._planned()
        return planned[planned > units]

    def critical(self, units: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return how many standard errors the interval reaches to each side at these looks."""
        planned = self._planned()
        values = np.array(boundaries(tuple((planned / self.max_units).tolist()), self.alpha))
        return values[np.searchsorted(planned, units)]

    def _planned(self) -> NDArray[np.intp]:
        looks = np.ceil(np.arange(1, LOOKS + 1) / LOOKS * self.max_units).astype(np.intp)
        return looks[looks >= self.burn_in]


@lru_cache(maxsize=64)
def boundaries(fractions: tuple[float, ...], alpha: float) -> tuple[float, ...]:
    """Return the critical value of the standardised difference at each look.

    Args:
        fractions: share of the maximal information at each look, increasing, above 0; the last at most 1.
        alpha: two-sided error over all looks, 0 to 1.
    """
    values: list[float] = []
    spent = before = 0.0
    nodes, density = np.zeros(1), np.ones(1)
    for fraction in fractions:
        spread = sqrt(fraction - before)
        bound = _bound(nodes, density, spread, _spending(fraction, alpha) - spent)
        values.append(bound / sqrt(fraction))
        # Nodes of Gauss and Legendre between the bounds, with the mass of the process at each.
        unit, weights = np.polynomial.legendre.leggauss(_NODES)
        steps = (bound * unit[:, None] - nodes[None, :]) / spread
        density = bound * weights * (np.exp(-0.5 * steps**2) / (spread * sqrt(2 * pi)) @ density)
        nodes = bound * unit
        spent, before = _spending(fraction, alpha), fraction
    return tuple(values)


def _spending(fraction: float, alpha: float) -> float:
    """Return the error that may have been made by then: that of two one-sided tests."""
    normal = NormalDist()
    return 2 * erfc(normal.inv_cdf(1 - alpha / 4) / sqrt(2 * fraction))


def _bound(nodes: NDArray[np.float64], density: NDArray[np.float64], spread: float, error: float) -> float:
    """Return the bound that the process leaves with this probability, by bisection."""

    def leaves(bound: float) -> float:
        above = np.array([erfc((bound - node) / (spread * sqrt(2))) for node in nodes.tolist()])
        # The process is symmetric.
        return float(density @ above)

    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if leaves(middle) > error else (low, middle)
    return high
