"""Which ratings train, validate and test: by chance per user, by time, and whole titles held out.

The random split follows ``python_stratified_split(ratio=0.75, filter_by="user", seed=42)`` of Microsoft Recommenders,
on which results for MovieLens 100K are published: NumPy's legacy generator seeded with 42 draws a number per row, the
rows of a user are ordered by it, and those whose rank / count is at most 0.75 train. A lake table has no row order, so
the rows are numbered by user and title id; the procedure is the published one, the rows drawn are not.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def stratified_split(users: NDArray[np.generic], test_share: float, seed: int) -> Mask:
    """Return which rows test: of each user the given share, at least nothing, rounded up.

    Args:
        users: user of each row, shape [rows].
        test_share: share of each user's rows, 0 to 1.
        seed: of NumPy's legacy generator.
    """
    frame = pd.DataFrame({"user": users, "random": np.random.RandomState(seed).rand(len(users))})
    ordered = frame.sort_values(["user", "random"], kind="stable")
    groups = ordered.groupby("user", sort=False)["user"]
    rank = (groups.cumcount() + 1) / groups.transform("count")
    # A user's only rating trains: nobody can be tested without a history.
    test = (rank > 1 - test_share) & (groups.transform("count") > 1)
    return test.reindex(frame.index).to_numpy(dtype=bool)


def temporal_split(times: NDArray[np.int64], test_share: float) -> tuple[Mask, int]:
    """Return which rows test, those after one moment for everybody, and that moment.

    Args:
        times: seconds since 1970, shape [rows].
        test_share: share of the rows that lie after the moment, as far as equal times allow.
    """
    if not len(times):
        return np.zeros(0, dtype=bool), 0
    moment = int(np.quantile(times, 1 - test_share, method="lower"))
    return times > moment, moment


def cold_items(items: NDArray[np.intp], share: float, seed: int, min_ratings: int = 5) -> NDArray[np.intp]:
    """Return titles to hold out entirely, drawn among those with some ratings.

    Args:
        items: title of each rating, shape [rows].
        share: share of the titles drawn.
        seed: of the draw.
        min_ratings: fewest ratings of a title that can be drawn.
    """
    counts = np.bincount(items) if len(items) else np.zeros(0, dtype=np.intp)
    candidates = np.flatnonzero(counts >= min_ratings)
    drawn = np.random.default_rng(seed).permutation(candidates)[: round(share * len(candidates))]
    return np.sort(drawn)
