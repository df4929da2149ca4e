"""Randomised orders of recommendations: a few answers that tell of titles which the model would not have shown.

With probability e the titles shown are drawn, in uniformly random order, from twice as many as were asked for. Each
title's probability of its place is then known, which is what inverse propensity scoring of another model needs
(Horvitz and Thompson, 1952; for rankings, item by item: Li et al., Offline Evaluation of Ranking Policies with Click
Models, KDD 2018).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Generic, TypeVar

from serving.api.limits import MAX_RECOMMENDATIONS

EXPLORATION = "exploration"
"""What logs name as the experiment of answers that belong to none."""

Title = TypeVar("Title")


@dataclass(frozen=True, slots=True)
class Shown(Generic[Title]):
    """Titles in the order shown."""

    titles: list[Title]
    propensities: list[float]
    """Probability with which each came to be shown at its place."""


def drawn_from(limit: int) -> int:
    """Return how many titles to ask the model for, so that ``limit`` can be drawn from them."""
    return min(2 * limit, MAX_RECOMMENDATIONS)


def explore(ranked: Sequence[Title], limit: int, share: float, request_id: str) -> Shown[Title]:
    """Return the titles to show: with probability ``share`` any in any order, else the best in the model's order.

    The same request is always answered in the same way: its id decides.

    Args:
        ranked: what the model recommends, best first.
        limit: most titles to show.
        share: e, between 0 and 1.
        request_id: id of the request.
    """
    digest = blake2b(f"{EXPLORATION}\x00{request_id}".encode(), digest_size=16).digest()
    by_chance = share / len(ranked) if ranked else 0.0
    if int.from_bytes(digest[:8], "big") / 2.0**64 >= share:
        best = list(ranked[:limit])
        return Shown(best, [1 - share + by_chance] * len(best))
    order = random.Random(digest[8:]).sample(range(len(ranked)), min(limit, len(ranked)))
    in_place = (1 - share if rank == place else 0.0 for place, rank in enumerate(order))
    return Shown([ranked[rank] for rank in order], [probability + by_chance for probability in in_place])
