"""Test cases: what each user had consumed, and what they consumed next."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.recommender.prepared import Prepared


@dataclass(frozen=True)
class Histories:
    """Users to rank titles for, one entry per user in every field."""

    users: NDArray[np.intp]
    items: list[list[str]]
    """Ids of the titles consumed, oldest first."""
    ratings: list[list[float]]
    """Their stars."""
    relevant: list[list[str]]
    """Ids of the titles held out."""

    def where(self, kept: NDArray[np.bool_]) -> "Histories":
        """Return the users for which ``kept`` is true."""
        rows = np.flatnonzero(kept).tolist()
        return Histories(
            self.users[rows],
            [self.items[row] for row in rows],
            [self.ratings[row] for row in rows],
            [self.relevant[row] for row in rows],
        )

    def with_history(self) -> "Histories":
        """Return the users who had consumed something."""
        return self.where(self.lengths > 0)

    def without_history(self) -> "Histories":
        """Return the users who had consumed nothing."""
        return self.where(self.lengths == 0)

    def with_histories(self, histories: pd.DataFrame) -> "Histories":
        """Return the same users with other histories: ``user``, ``history_media_ids``, ``history_ratings``."""
        rows = histories.set_index("user").loc[self.users]
        return replace(
            self,
            items=[list(items) for items in rows["history_media_ids"]],
            ratings=[[float(stars) for stars in ratings] for ratings in rows["history_ratings"]],
        )

    def __add__(self, other: "Histories") -> "Histories":
        """Return the users of both."""
        return Histories(
            np.concatenate([self.users, other.users]),
            self.items + other.items,
            self.ratings + other.ratings,
            self.relevant + other.relevant,
        )

    @property
    def lengths(self) -> NDArray[np.intp]:
        """Titles in each history."""
        return np.array([len(items) for items in self.items], dtype=np.intp)

    def shortened(self, length: int, seed: int) -> "Histories":
        """Return the users with that many titles of each history, drawn by chance, in their order."""
        random = np.random.default_rng(seed)
        kept = [np.sort(random.permutation(len(items))[:length]).tolist() for items in self.items]
        return replace(
            self,
            items=[[items[row] for row in rows] for items, rows in zip(self.items, kept, strict=True)],
            ratings=[[stars[row] for row in rows] for stars, rows in zip(self.ratings, kept, strict=True)],
        )

    def first_known(self, length: int) -> "Histories":
        """Move the first held-out titles into the history, as if the users had just consumed them.

        Users with nothing left to predict are dropped.
        """
        moved = replace(
            self,
            items=[[*items, *wanted[:length]] for items, wanted in zip(self.items, self.relevant, strict=True)],
            ratings=[
                [*stars, *[float("nan")] * len(wanted[:length])]
                for stars, wanted in zip(self.ratings, self.relevant, strict=True)
            ],
            relevant=[wanted[length:] for wanted in self.relevant],
        )
        return moved.where(np.array([len(wanted) > 0 for wanted in moved.relevant], dtype=bool))


def histories_of(
    prepared: Prepared, known: pd.DataFrame, held_out: pd.DataFrame, max_users: int, seed: int
) -> Histories:
    """Return the users of the held-out rows with their history in the known rows, which may be empty.

    Args:
        prepared: the catalogue, for the ids.
        known: rows ordered by user and time.
        held_out: rows ordered by user and time.
        max_users: users sampled where there are more.
        seed: of the sample.
    """
    users = np.unique(held_out["user"].to_numpy())
    if len(users) > max_users:
        users = np.sort(np.random.default_rng(seed).choice(users, max_users, replace=False))
    ids = prepared.catalogue["media_id"].to_numpy()

    def grouped(frame: pd.DataFrame, values: pd.Series) -> list[list[object]]:
        lists = values.groupby(frame["user"]).agg(list)
        return [lists.get(user, []) for user in users.tolist()]

    return Histories(
        users,
        grouped(known, pd.Series(ids[known["item"]], index=known.index)),  # type: ignore[arg-type]
        grouped(known, known["rating"]),  # type: ignore[arg-type]
        grouped(held_out, pd.Series(ids[held_out["item"]], index=held_out.index)),  # type: ignore[arg-type]
    )
