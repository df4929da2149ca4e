"""Difference of two means, and its standard error, after each of any number of looks at growing data.

Variance is reduced by what was known of the units before (CUPED: Deng, Xu, Kohavi and Walker, "Improving the
sensitivity of online controlled experiments by utilizing pre-experiment data", WSDM 2013).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DifferencePath:
    """What is known after each look; every array has the shape [..., looks]."""

    effect: Array
    """Treatment less control."""
    standard_error: Array
    treatment_mean: Array
    control_mean: Array
    """Unadjusted means."""


def split(units: NDArray[np.intp], share: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return how many of the first units belong to treatment and control if the share of treatment is exact."""
    treatment = np.floor(units * share + 1e-9).astype(np.intp)
    return treatment, units - treatment


def units_in_step(treatment: int, control: int, share: float) -> int:
    """Return how many units there are while both groups are taken in the planned proportion.

    Some of the group that is ahead are left out, so that the first units of each group are the same whoever looks when.
    """
    most = treatment + control
    treated, untreated = split(np.arange(most + 1), share)
    return int(np.count_nonzero((treated <= treatment) & (untreated <= control)) - 1)


def difference_path(
    treatment: Array,
    control: Array,
    looks: NDArray[np.intp],
    share: float,
    *,
    span: float = 1.0,
    covariates: tuple[Array, Array] | None = None,
) -> DifferencePath:
    """Return the difference of means after the first units.

    The variance of a group is estimated as if one more unit lay a whole span off its mean, so that a few units that
    happen to be equal do not look certain.

    Args:
        treatment: outcomes in order, shape [..., units]; leading axes are independent experiments.
        control: likewise, with any number of units.
        looks: units of both groups together at each look; there must be as many, in proportion.
        share: of treatment among all units, 0 to 1.
        span: greatest possible difference between two units.
        covariates: of treatment and control, shaped as they are: known before the experiment, NaN where unknown.
            They are centred, and unknown ones are 0 after that; a covariate that is constant changes nothing.
    """
    counts = split(looks, share)
    n_t, n_c = (count.astype(np.float64) for count in counts)
    # Variances do not depend on where zero is, but rounding does.
    origin = control[..., :1]
    sums = [_Sums(values - origin, count) for values, count in zip((treatment, control), counts, strict=True)]
    mean_t, mean_c = sums[0].y / n_t, sums[1].y / n_c
    effect = mean_t - mean_c
    squares_t, squares_c = sums[0].yy - n_t * mean_t**2, sums[1].yy - n_c * mean_c**2
    if covariates is not None:
        z_t, z_c, zz_t, zz_c, zy_t, zy_c = _centred(sums, covariates, counts, origin, (treatment, control))
        zz_t, zz_c = zz_t - z_t**2 / n_t, zz_c - z_c**2 / n_c
        zy_t, zy_c = zy_t - z_t * mean_t, zy_c - z_c * mean_c
        zz = zz_t + zz_c
        theta = np.divide(zy_t + zy_c, zz, out=np.zeros_like(zz), where=zz > 1e-12 * (n_t + n_c))
        effect = effect - theta * (z_t / n_t - z_c / n_c)
        squares_t = squares_t - 2 * theta * zy_t + theta**2 * zz_t
        squares_c = squares_c - 2 * theta * zy_c + theta**2 * zz_c
    variance_t = (np.maximum(squares_t, 0) + span**2) / n_t
    variance_c = (np.maximum(squares_c, 0) + span**2) / n_c
    return DifferencePath(effect, np.sqrt(variance_t / n_t + variance_c / n_c), mean_t + origin, mean_c + origin)


class _Sums:
    """Sums over the first units of a group at each look."""

    def __init__(self, values: Array, counts: NDArray[np.intp]) -> None:
        self.y = _sum(values, counts)
        self.yy = _sum(values**2, counts)


def _sum(values: Array, counts: NDArray[np.intp]) -> Array:
    """Return the sum of the first so many values, each count at least 1."""
    cumulated: Array = np.cumsum(values, axis=-1)
    return cumulated[..., counts - 1]


def _centred(
    sums: list[_Sums],
    covariates: tuple[Array, Array],
    counts: tuple[NDArray[np.intp], NDArray[np.intp]],
    origin: Array,
    outcomes: tuple[Array, Array],
) -> tuple[Array, ...]:
    """Return per group the sums of the covariates, their squares, and their products with the outcomes.

    The centre is the mean of the covariates known at the look, so the sums are made of those of what is not centred.
    """
    known = [np.isfinite(covariate) for covariate in covariates]
    x0 = np.nanmean(np.where(known[1], covariates[1], np.nan)) if known[1].any() else 0.0
    raw = []
    for group in (0, 1):
        mask = known[group].astype(np.float64)
        x = np.where(known[group], covariates[group] - x0, 0.0)
        y = outcomes[group] - origin
        raw.append([_sum(values, counts[group]) for values in (mask, x, x * x, x * y, mask * y)])
    total = raw[0][0] + raw[1][0]
    centre = np.divide(raw[0][1] + raw[1][1], total, out=np.zeros_like(total), where=total > 0)
    z = [x - centre * m for m, x, *_ in raw]
    zz = [xx - 2 * centre * x + centre**2 * m for m, x, xx, *_ in raw]
    zy = [xy - centre * my for *_, xy, my in raw]
    return (*z, *zz, *zy)
