"""Derive thresholds from target precisions."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from serving.scorers.text import Thresholds

MIN_FLAGGED = 20
"""Least texts behind a precision that is believed."""
CONFIDENCE = 0.8
"""With which a precision is reached (one-sided, Jeffreys interval): the luckiest cut would disappoint later."""
REVIEW_FLOOR, BLOCK_FLOOR = 0.5, 0.8
"""No threshold lies below, however precise it is on validation texts: elsewhere the model deserves less trust."""


def threshold(
    truth: NDArray[np.bool_], probabilities: NDArray[np.floating], precision: float, floor: float
) -> float | None:
    """Return the lowest threshold from which on a precision is reached.

    Args:
        truth: whether a text breaks the rule, shape [texts].
        probabilities: shape [texts], 0 to 1.
        precision: least share of rule breakers among the texts at or above the threshold, 0 to 1; held with 80 %
            confidence.
        floor: lowest threshold allowed.

    Returns:
        A threshold, or None if none has at least 20 texts above it and that precision.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    found, flagged = np.cumsum(truth[order]), np.arange(1, len(order) + 1)
    # Equal probabilities stand or fall together: only the last of them is a possible cut.
    cut = np.append(ranked[1:] < ranked[:-1], True) & (flagged >= MIN_FLAGGED) & (ranked >= floor)
    sure = beta.ppf(1 - CONFIDENCE, found + 0.5, flagged - found + 0.5)
    reached = np.flatnonzero(cut & (sure >= precision))
    return float(ranked[reached[-1]]) if len(reached) else None


def derive(
    truth: NDArray[np.bool_],
    probabilities: NDArray[np.floating],
    *,
    review_precision: float,
    block_precision: float,
    by_people: bool,
) -> Thresholds:
    """Return the thresholds of a category.

    Where the texts are too few to prove the precision of a review, the calibrated probability itself must reach it: a
    moderator is asked, which harms nobody. Blocking is never done on such a promise, nor in a category that nobody
    judged.
    """
    review = threshold(truth, probabilities, review_precision, REVIEW_FLOOR) if by_people else None
    return Thresholds(
        review=review or review_precision,
        block=threshold(truth, probabilities, block_precision, BLOCK_FLOOR) if by_people else None,
    )
