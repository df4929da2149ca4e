"""Why a title is recommended, in words."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from serving.scorers._recommender_parts import Factors, Floats, Indices, ItemItem, Part

LIKED_STARS = 4.0
DISLIKED_STARS = 2.5
MAX_REASONS = 3

_CONSUMED = {"film": "watched", "series": "watched", "book": "read", "game": "played"}
_PEOPLE = {"directors": "director", "writers": "writer", "cast": "actor"}


@dataclass(frozen=True)
class Titles:
    """The catalogue as serving needs it, column by column."""

    media_ids: list[str]
    names: list[str]
    kinds: list[str]
    years: list[int | None]
    imdb_ids: list[str | None]
    people: dict[str, list[list[str]]]
    """``directors``, ``writers`` and leading ``cast`` of each title."""
    trending: list[bool]
    """Whether a title is among the most rated of the last month of the training data."""

    @classmethod
    def from_table(cls, table: pa.Table) -> "Titles":
        """Read the columns of ``items.parquet``."""
        columns = {name: table.column(name).to_pylist() for name in table.column_names}
        return cls(
            media_ids=columns["media_id"],
            names=columns["title"],
            kinds=columns["kind"],
            years=columns["year"],
            imdb_ids=columns["imdb_id"],
            people={role: columns[role] for role in _PEOPLE},
            trending=columns["trending"],
        )

    def label(self, index: int) -> str:
        """Return ``Alien (1979)``, or the name alone where the year is unknown."""
        year = self.years[index]
        return f"{self.names[index]} ({year})" if year else self.names[index]


class Reasons:
    """Explains recommendations by contributions of the history, by shared people and by popularity.

    Args:
        titles: the catalogue.
        parts: the recommender's parts; item-item weights or factors give the contributions.
    """

    def __init__(self, titles: Titles, parts: Mapping[str, Part]) -> None:
        self._titles = titles
        self._explainers = [part for part in parts.values() if isinstance(part, ItemItem | Factors)]

    def explain(self, targets: Indices, items: Indices, stars: Floats, weights: Floats) -> list[list[str]]:
        """Return up to three reasons for each target, the strongest first.

        Args:
            targets: titles recommended, shape [n_targets].
            items: titles consumed, oldest first, shape [n_items].
            stars: their ratings, NaN where unknown, shape [n_items].
            weights: their weights in the scores, shape [n_items].
        """
        # A title the user did not like is no reason to recommend another.
        liked = ~(stars <= DISLIKED_STARS)
        causes = self._causes(targets, items, weights, liked)
        people = self._people(items[liked])
        reasons = []
        for target, cause in zip(targets.tolist(), causes, strict=True):
            found = [] if cause is None else [self._because(int(items[cause]), float(stars[cause]))]
            found += self._shared(target, people)
            if self._titles.trending[target]:
                found.append("popular this month")
            reasons.append(found[:MAX_REASONS])
        return reasons

    def _causes(self, targets: Indices, items: Indices, weights: Floats, liked: np.ndarray) -> list[int | None]:
        """Return for each target the position in the history that contributes most, if one does."""
        causes: list[int | None] = [None] * len(targets)
        if not len(items) or not len(targets):
            return causes
        for explainer in self._explainers:
            contributions = np.where(liked[:, None], explainer.contributions(items, weights, targets), -np.inf)
            for column, best in enumerate(contributions.argmax(axis=0).tolist()):
                if causes[column] is None and contributions[best, column] > 0:
                    causes[column] = best
        return causes

    def _because(self, item: int, stars: float) -> str:
        if stars >= LIKED_STARS:
            return f"because you rated {self._titles.label(item)} highly"
        return f"because you {_CONSUMED.get(self._titles.kinds[item], 'chose')} {self._titles.label(item)}"

    def _people(self, items: Indices) -> dict[tuple[str, str], int]:
        """Map role and name to the newest title of the history that the person worked on."""
        return {
            (role, name): item
            for item in items.tolist()
            for role in _PEOPLE
            for name in self._titles.people[role][item]
        }

    def _shared(self, target: int, people: dict[tuple[str, str], int]) -> list[str]:
        for role, word in _PEOPLE.items():
            for name in self._titles.people[role][target]:
                if (item := people.get((role, name))) is not None:
                    return [f"shares {word} {name} with {self._titles.label(item)}"]
        return []
