"""Bootstrap confidence intervals (Efron and Tibshirani, An Introduction to the Bootstrap, 1993)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""Coverage of every interval."""


def bootstrap_interval(
    metric: Callable[[NDArray[np.intp]], float], rows: int, seed: int, repetitions: int = 500
) -> tuple[float, float]:
    """Return the percentile interval of a metric over resampled rows.

    Args:
        metric: computes the metric from row indices, shape [rows], drawn with replacement.
        rows: number of test rows, at least 1.
        seed: of the resampling.
        repetitions: number of resamples. Those for which the metric is undefined (NaN) are left out.

    Returns:
        Lower and upper end of the 95 % interval; NaN if it is undefined for every resample.
    """
    random = np.random.default_rng(seed)
    values = np.array([metric(random.integers(0, rows, rows)) for _ in range(repetitions)])
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mean_interval(values: NDArray[np.floating], seed: int, repetitions: int = 1000) -> tuple[float, float]:
    """Return the percentile interval of the mean of per-row values, shape [rows]."""
    random = np.random.default_rng(seed)
    # Counts of a resample are multinomial, so a matrix product gives all means at once.
    counts = random.multinomial(len(values), np.full(len(values), 1 / len(values)), size=repetitions)
    low, high = np.quantile(counts @ values / len(values), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
