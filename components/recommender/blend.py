"""Choose the blend on validation data: weights that rank the held-out titles best."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.recommender.metrics import Ranking, best, user_metrics
from components.recommender.recipe import PartName

Floats = NDArray[np.float32]
STEPS = (0.5, 0.25)
NOISE = 2.0
"""Standard errors that a gain must exceed."""


def mean_ndcg(scores: Floats, relevant: Sequence[frozenset[int]]) -> float:
    """Return the mean NDCG@10 of scores [n_users, n_items], -inf for what is not to be ranked."""
    return float(_ndcg(scores, relevant).mean())


def _ndcg(scores: Floats, relevant: Sequence[frozenset[int]]) -> NDArray[np.float64]:
    return user_metrics(Ranking(best(scores, 10), list(relevant)))["ndcg@10"]


def choose_weights(
    parts: dict[PartName, Floats],
    relevant: Sequence[frozenset[int]],
    consumed: NDArray[np.bool_],
    start: dict[PartName, float],
) -> dict[PartName, float]:
    """Improve the weights one at a time, in shrinking steps, as long as NDCG@10 grows beyond its noise.

    A change is kept if the mean gain over the users exceeds twice its standard error: without that rule the search
    follows the validation users' chance and ends below equal weights on others.

    Args:
        parts: standardised scores of each part, [n_users, n_items].
        relevant: held-out titles of each user.
        consumed: what not to rank, [n_users, n_items].
        start: first weights.

    Returns:
        Weights by part, scaled to a sum of 1, without those that became 0.
    """
    weights = {name: start.get(name, 0.0) for name in parts}
    scores = np.asarray(sum(np.float32(weight) * parts[name] for name, weight in weights.items()), dtype=np.float32)
    scores[consumed] = -np.inf
    reached = _ndcg(scores, relevant)
    for step in STEPS:
        improved = True
        while improved:
            improved = False
            for name in parts:
                for change in (step, -step):
                    if weights[name] + change < 0:
                        continue
                    candidate = scores + np.float32(change) * parts[name]
                    gain = (found := _ndcg(candidate, relevant)) - reached
                    if gain.mean() > NOISE * gain.std() / np.sqrt(len(gain)):
                        scores, reached, improved = candidate, found, True
                        weights[name] += change
    total = max(sum(weights.values()), 1e-9)
    return {name: round(weight / total, 4) for name, weight in weights.items() if weight}
