"""Ranking metrics per user, as Microsoft Recommenders computes them: relevance is binary, whatever the stars."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]
DEPTH = 20
"""Titles ranked per user."""


@dataclass(frozen=True)
class Ranking:
    """What a model recommended to each user and what turned out relevant."""

    top: Indices
    """Recommended titles, best first, [n_users, DEPTH]; -1 where there were fewer."""
    relevant: list[frozenset[int]]
    """Titles each user consumed in the test part."""

    @property
    def hits(self) -> NDArray[np.bool_]:
        """Whether each recommendation is relevant, [n_users, DEPTH]."""
        return np.array(
            [[item in wanted for item in row] for row, wanted in zip(self.top.tolist(), self.relevant, strict=True)],
            dtype=bool,
        ).reshape(self.top.shape)


def user_metrics(ranking: Ranking) -> dict[str, NDArray[np.float64]]:
    """Return ``ndcg@10``, ``recall@10``, ``recall@20`` and ``map@10`` of each user, [n_users], 0 to 1.

    Recall and average precision divide by the number of relevant titles, which may exceed ten.
    """
    hits = ranking.hits
    relevant = np.array([len(wanted) for wanted in ranking.relevant])
    discounts = 1 / np.log2(np.arange(2, 12))
    ideal = np.cumsum(discounts)[np.clip(relevant, 1, 10) - 1]
    precision = np.cumsum(hits[:, :10], axis=1) / np.arange(1, 11)
    return {
        "ndcg@10": hits[:, :10] @ discounts / ideal,
        "recall@10": hits[:, :10].sum(axis=1) / np.maximum(relevant, 1),
        "recall@20": hits[:, :20].sum(axis=1) / np.maximum(relevant, 1),
        "map@10": (precision * hits[:, :10]).sum(axis=1) / np.maximum(relevant, 1),
    }


def catalogue_metrics(ranking: Ranking, counts: NDArray[np.floating], n_candidates: int) -> dict[str, float]:
    """Return what the first ten recommendations do to the catalogue.

    Args:
        ranking: what was recommended.
        counts: ratings of each title in the training part, [n_items].
        n_candidates: titles that could have been recommended.

    Returns:
        ``coverage@10``, the share of the candidates recommended to anybody; ``novelty@10``, the mean of
        -log2 of the share of training ratings of a recommended title (Vargas and Castells, 2011), in bits; and
        ``popularity_share@10``, the share of recommendations among the tenth of the rated titles rated most.
    """
    top = ranking.top[:, :10]
    top = top[top >= 0]
    if not len(top):
        return {"coverage@10": 0.0, "novelty@10": float("nan"), "popularity_share@10": float("nan")}
    share = (counts + 1) / (counts.sum() + len(counts))
    rated = int((counts > 0).sum())
    most = np.argsort(-counts, kind="stable")[: max(1, rated // 10)]
    return {
        "coverage@10": len(np.unique(top)) / max(1, n_candidates),
        "novelty@10": float(-np.log2(share[top]).mean()),
        "popularity_share@10": float(np.isin(top, most).mean()),
    }


def best(scores: NDArray[np.float32], depth: int = DEPTH) -> Indices:
    """Return the ``depth`` highest finite scores of each row, best first, ties by index; -1 where there are fewer.

    Args:
        scores: [n_users, n_items]; -inf for what must not be recommended.
        depth: titles to return for each user.
    """
    depth_found = min(depth, scores.shape[1])
    top = np.sort(np.argpartition(-scores, depth_found - 1, axis=1)[:, :depth_found], axis=1)
    values = np.take_along_axis(scores, top, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    top = np.where(np.isfinite(np.take_along_axis(values, order, axis=1)), np.take_along_axis(top, order, axis=1), -1)
    return np.pad(top, ((0, 0), (0, depth - depth_found)), constant_values=-1)
