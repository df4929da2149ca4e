"""What preprocessing leaves for training: ratings with their splits, the catalogue, and its content features."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from components.recommender.collaborative import close_pair_counts
from mediareview.errors import MediaReviewError

RATINGS, CATALOGUE, CONTENT, PINS = "ratings.parquet", "catalogue.parquet", "content.npz", "pins.json"
SERVED = "served.parquet"


@dataclass(frozen=True)
class Prepared:
    """Prepared data, in memory.

    ``ratings`` has one row per user and title: ``user_id``, ``user`` and ``item`` (row numbers of people and
    ``catalogue``), ``rating`` (stars, NaN if unknown), ``time`` (seconds since 1970), and ``random`` and ``temporal``
    (``train``, ``validation`` or ``test``). Rows are ordered by user and time.
    """

    ratings: pd.DataFrame
    catalogue: pd.DataFrame
    content: NDArray[np.float32]
    """Content features, [n_titles, n_features]."""
    lake_versions: dict[str, int] = field(default_factory=dict)
    """Pinned version of each lake table that was read."""
    served: pd.DataFrame | None = None
    """What ``served_histories`` found in the feature store, if the run reads it."""

    @classmethod
    def read(cls, directory: Path) -> "Prepared":
        """Read a prepared directory.

        Raises:
            MediaReviewError: it holds no prepared data.
        """
        if not (directory / RATINGS).is_file():
            raise MediaReviewError(f"{directory} holds no prepared ratings.", "Run the preprocessing step first.")
        with np.load(directory / CONTENT) as arrays:
            content = arrays["features"]
        pins = json.loads((directory / PINS).read_text())
        served = pd.read_parquet(directory / SERVED) if (directory / SERVED).is_file() else None
        return cls(pd.read_parquet(directory / RATINGS), pd.read_parquet(directory / CATALOGUE), content, pins, served)

    def write(self, directory: Path) -> None:
        """Write the prepared directory; equal data give equal files."""
        self.ratings.to_parquet(directory / RATINGS, index=False)
        self.catalogue.to_parquet(directory / CATALOGUE, index=False)
        np.savez(directory / CONTENT, features=self.content)
        if self.served is not None:
            self.served.to_parquet(directory / SERVED, index=False)
        (directory / PINS).write_text(json.dumps(self.lake_versions, indent=2, sort_keys=True))

    def part(self, split: str, *names: str) -> pd.DataFrame:
        """Return the rows of the named parts of a split, for example ``part("random", "train", "validation")``."""
        return self.ratings[self.ratings[split].isin(names)]


def history_weights(ratings: pd.Series, slope: float) -> NDArray[np.float32]:
    """Return how much each rating counts: 1 at three stars or unknown, more above, less below, at least 0.1."""
    weights = 1 + slope * (ratings.fillna(3.0).to_numpy() - 3.0)
    return np.maximum(weights, 0.1).astype(np.float32)


def close_pairs(ratings: pd.DataFrame, order: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return ``close_pair_counts`` of ratings ordered by user and time, for the titles of ``order``."""
    position = pd.Series(range(len(order)), index=order)
    kept = ratings[ratings["item"].isin(order)]
    return close_pair_counts(
        np.asarray(kept["user"], dtype=np.intp),
        np.asarray(kept["item"].map(position), dtype=np.intp),
        np.asarray(kept["time"], dtype=np.int64),
        kept["rating"].to_numpy(),
        len(order),
    )


def interactions(ratings: pd.DataFrame, order: NDArray[np.intp], slope: float) -> sp.csr_matrix:
    """Return the weighted user-title matrix of some ratings.

    Args:
        ratings: columns ``user``, ``item`` and ``rating``.
        order: titles in the order of the columns; ratings of others are left out.
        slope: of ``history_weights``.

    Returns:
        Weights, float32 [n_users, len(order)]; rows are the users with such ratings, by number.
    """
    column = np.full(int(max(order.max(initial=0), ratings["item"].max() if len(ratings) else 0)) + 1, -1)
    column[order] = np.arange(len(order))
    columns = column[ratings["item"].to_numpy()]
    kept = columns >= 0
    users = np.unique(ratings["user"].to_numpy()[kept], return_inverse=True)[1]
    return sp.csr_matrix(
        (history_weights(ratings["rating"], slope)[kept], (users, columns[kept])),
        shape=(int(users.max(initial=-1)) + 1, len(order)),
        dtype=np.float32,
    )
