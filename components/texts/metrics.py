"""One metric on one set of texts, with its interval."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from components.statistics import bootstrap_interval
from mediareview.evaluation import Metric


def measured(
    name: str,
    metric: Callable[[NDArray[np.intp]], float],
    rows: NDArray[np.intp],
    seed: int,
    repetitions: int,
    slice: str = "",
) -> Metric:
    """Return a metric over some rows with its 95 % bootstrap interval.

    Args:
        name: of the metric.
        metric: computes it from row indices.
        rows: the rows it is about.
        seed: of the resampling.
        repetitions: number of resamples; 0 leaves the interval out.
        slice: what the rows have in common; empty means all test rows.
    """
    value = float(metric(rows)) if len(rows) else float("nan")
    low = high = None
    if repetitions and len(rows) and value == value:
        low, high = bootstrap_interval(lambda chosen: metric(rows[chosen]), len(rows), seed, repetitions)
    return Metric(name=name, value=value, ci_low=low, ci_high=high, slice=slice, rows=len(rows))
