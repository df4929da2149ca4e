"""Choose the blend on validation data: weights that rank the held-out titles best."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.recommender.metrics import Ranking, best, user_metrics
from components.recommender.recipe import PartName

Floats = NDArray[np.float32]
STEPS = (0.5, 0.25, 0.1)
MIN_GAIN = 2e-4
"""Least gain in NDCG@10 for which a weight moves: smaller ones are noise of the validation users."""


def mean_ndcg(scores: Floats, relevant: Sequence[frozenset[int]]) -> float:
    """Return the mean NDCG@10 of scores [n_users, n_items], -inf for what is not to be ranked."""
    ranking = Ranking(best(scores, 10), list(relevant))
    return float(user_metrics(ranking)["ndcg@10"].mean())


def choose_weights(
    parts: dict[PartName, Floats],
    relevant: Sequence[frozenset[int]],
    consumed: NDArray[np.bool_],
    start: dict[PartName, float],
) -> dict[PartName, float]:
    """Improve the weights one at a time, in shrinking steps, as long as the mean NDCG@10 grows.

    The scale of the weights does not matter to a ranking, so they are scaled to a sum of magnitudes of 1.

    Args:
        parts: standardised scores of each part, [n_users, n_items].
        relevant: held-out titles of each user.
        consumed: what not to rank, [n_users, n_items].
        start: first weights.

    Returns:
        Weights by part, without those that became 0.
    """
    names = list(parts)
    stacked = np.stack([parts[name] for name in names])
    weights = np.array([start.get(name, 0.0) for name in names], dtype=np.float32)

    def value(candidate: NDArray[np.float32]) -> float:
        scores = np.tensordot(candidate, stacked, axes=1)
        scores[consumed] = -np.inf
        return mean_ndcg(scores, relevant)

    reached = value(weights)
    for step in STEPS:
        improved = True
        while improved:
            improved = False
            for position in range(len(names)):
                for change in (step, -step):
                    candidate = weights.copy()
                    candidate[position] = max(0.0, round(float(candidate[position] + change), 4))
                    found = value(candidate)
                    if found > reached + MIN_GAIN:
                        weights, reached, improved = candidate, found, True
    weights /= max(float(np.abs(weights).sum()), 1e-9)
    return {name: round(float(weight), 4) for name, weight in zip(names, weights, strict=True) if weight}
