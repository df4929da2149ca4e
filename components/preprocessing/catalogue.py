"""The catalogue: one row per title, linked across the sources that describe it.

Record linkage in the sense of Fellegi and Sunter (1969) with a rule for a weight: agreement on the name is required,
agreement on the year grades the match, and a match is made only if it is the best one seen from both sides.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

CATALOGUE_SCHEMA = pa.schema(
    [
        ("media_id", pa.string()),
        ("title", pa.string()),
        ("kind", pa.string()),
        ("year", pa.int64()),
        ("genres", pa.list_(pa.string())),
        ("directors", pa.list_(pa.string())),
        ("cast", pa.list_(pa.string())),
        ("writers", pa.list_(pa.string())),
        ("plot", pa.string()),
        ("imdb_id", pa.string()),
        ("votes", pa.int64()),
        ("sources", pa.list_(pa.string())),
        ("link_score", pa.float64()),
        ("keywords", pa.list_(pa.string())),
    ]
)
"""``link_score`` is the weakest link that made the row, 0 to 1; null where one source describes the title."""

GENRE_NAMES = {"Children's": "Family", "Children": "Family", "SciFi": "Sci-Fi", "Science Fiction": "Sci-Fi"}
"""Genre names of single sources to the name all others use."""

SAME_YEAR, NEXT_YEAR, NO_YEAR = 1.0, 0.9, 0.7
"""Scores of a match: sources disagree by a year where a film opened late in the year; some sources give no year."""
OTHER_NAME_FACTOR = 0.9
"""Lowers the score of a match through an alternative name: ``Seven (Se7en)``."""

_LISTS = ("directors", "cast", "writers")
_SCALARS = ("year", "plot", "imdb_id", "votes")
_ALTERNATIVE = re.compile(r"^(.*?)\s*\(([^()]*)\)\s*$")
_ARTICLE = re.compile(r"^(?:the|a|an|le|la|les|l|il|der|die|das|el|los|las) ")
_ARTICLE_BEHIND = re.compile(r"^(.*),\s*(?:the|an?|le|la|les|l'|il|der|die|das|el|los|las)$", re.IGNORECASE)


class LinkSummary(BaseModel):
    """How the sources became one catalogue, in rows of ``media``: linked + ambiguous + new = rows."""

    rows: int = 0
    titles: int = 0
    new: int = 0
    """Rows that became titles of their own because nothing matched."""
    linked: int = 0
    ambiguous: int = 0
    """Rows with several equally good matches; they became titles of their own."""


def name_keys(title: str) -> list[str]:
    """Return the comparable forms of a title: the name first, then the one in parentheses, if any.

    Case, accents, punctuation and a leading article do not count; ``&`` is ``and``.
    """
    names = [title]
    if match := _ALTERNATIVE.match(title):
        names = [match[1], match[2]]
    keys = []
    for name in names:
        if match := _ARTICLE_BEHIND.match(name):
            name = match[1]
        plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
        # An apostrophe joins (What's, Whats), every other sign separates.
        plain = re.sub(r"[^\w]+|_+", " ", re.sub(r"['’`]", "", plain.casefold().replace("&", " and "))).strip()
        key = _ARTICLE.sub("", plain) or plain
        if key and key not in keys:
            keys.append(key)
    return keys


def build_catalogue(
    media: Iterable[Mapping[str, Any]], rated: Mapping[str, int]
) -> tuple[list[dict[str, Any]], LinkSummary]:
    """Link the descriptions of all sources into one row per title.

    Rows with the same ``media_id`` or ``imdb_id`` are the same title. Other sources are then added one after the
    other, the one with the most rated titles first, so that a linked title keeps the id under which it was rated. A
    row links to the title with the best score; where two are equally good on either side, it is not linked.

    Args:
        media: rows of the ``media`` table.
        rated: number of ratings by media id; it decides the order of the sources.

    Returns:
        Rows of the catalogue without keywords, sorted by id, and what was linked.
    """
    by_source: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in media:
        by_source[(row["source"], row["kind"])].append(dict(row))
    summary = LinkSummary(rows=sum(map(len, by_source.values())))
    titles = _Titles()

    def importance(source: tuple[str, str]) -> tuple[int, int, int, tuple[str, str]]:
        rows = by_source[source]
        with_year = sum(row["year"] is not None for row in rows)
        return (-sum(row["media_id"] in rated for row in rows), -with_year, -len(rows), source)

    for source in sorted(by_source, key=importance):
        for row, title, score in titles.match(sorted(by_source[source], key=lambda row: str(row["media_id"]))):
            if title is None:
                titles.add(row)
                summary.new += 1
                summary.ambiguous += score > 0
            else:
                titles.merge(title, row, score)
                summary.linked += 1
    summary.new -= summary.ambiguous
    summary.titles = len(titles.rows)
    return sorted(titles.rows, key=lambda row: str(row["media_id"])), summary


class _Titles:
    """The catalogue while it grows, with its indexes."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._by_id: dict[str, int] = {}
        self._by_name: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)

    def match(self, rows: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], int | None, float]]:
        """Yield each row with the index of its title, or None, and its score.

        A score above 0 without a title marks an ambiguous row. All rows of one source are matched before the first is
        yielded, so that two of them cannot both become the same title.
        """
        certain = [self._by_identity(row) for row in rows]
        taken = {index for index in certain if index is not None}
        candidates = [
            self._scores(row, taken) if index is None else {index: 1.0}
            for row, index in zip(rows, certain, strict=True)
        ]
        claims: dict[int, list[float]] = defaultdict(list)
        for scores in candidates:
            for index, score in scores.items():
                claims[index].append(score)
        decided = [
            (index, 1.0) if index is not None else _decide(scores, claims)
            for index, scores in zip(certain, candidates, strict=True)
        ]
        for row, (title, score) in zip(rows, decided, strict=True):
            yield row, title, score

    def _by_identity(self, row: Mapping[str, Any]) -> int | None:
        found = self._by_id.get(row["media_id"])
        return self._by_id.get(row["imdb_id"]) if found is None and row["imdb_id"] else found

    def _scores(self, row: Mapping[str, Any], taken: Container[int]) -> dict[int, float]:
        scores: dict[int, float] = {}
        for position, key in enumerate(name_keys(row["title"])):
            for index, factor in self._by_name[(row["kind"], key)].items():
                score = _year_score(row["year"], self.rows[index]["year"])
                score *= factor * (OTHER_NAME_FACTOR if position else 1.0)
                if score > scores.get(index, 0.0) and index not in taken:
                    scores[index] = score
        return scores

    def add(self, row: dict[str, Any]) -> None:
        """Add a title of its own."""
        self.rows.append(
            {name: row.get(name) for name in CATALOGUE_SCHEMA.names}
            | {"genres": _genres(row["genres"]), "sources": [row["source"]], "link_score": None, "keywords": []}
        )
        self._index(len(self.rows) - 1, row)

    def merge(self, index: int, row: dict[str, Any], score: float) -> None:
        """Fill the gaps of a title from another source's row; genres are what either source says."""
        title = self.rows[index]
        for name in _LISTS:
            title[name] = title[name] or row[name]
        for name in _SCALARS:
            title[name] = row[name] if title[name] is None else title[name]
        title["genres"] = list(dict.fromkeys([*title["genres"], *_genres(row["genres"])]))
        title["sources"] = list(dict.fromkeys([*title["sources"], row["source"]]))
        title["link_score"] = min(score, title["link_score"] or 1.0)
        self._index(index, row)

    def _index(self, index: int, row: Mapping[str, Any]) -> None:
        self._by_id.setdefault(row["media_id"], index)
        if row["imdb_id"]:
            self._by_id.setdefault(row["imdb_id"], index)
        for position, key in enumerate(name_keys(row["title"])):
            names = self._by_name[(row["kind"], key)]
            names[index] = max(names.get(index, 0.0), OTHER_NAME_FACTOR if position else 1.0)


def _decide(scores: Mapping[int, float], claims: Mapping[int, Sequence[float]]) -> tuple[int | None, float]:
    """Return the title of a row and the score; no title but a score where equally good choices are left."""
    if not scores:
        return None, 0.0
    best = max(scores.values())
    favourites = [index for index, score in scores.items() if score == best]
    rivals = claims[favourites[0]]
    if len(favourites) > 1 or rivals.count(best) > 1:
        return None, best
    return (favourites[0], best) if max(rivals) == best else (None, 0.0)


def _year_score(left: int | None, right: int | None) -> float:
    if left is None or right is None:
        return NO_YEAR
    return {0: SAME_YEAR, 1: NEXT_YEAR}.get(abs(left - right), 0.0)


def _genres(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(GENRE_NAMES.get(name, name) for name in names))


def link_names(names: Iterable[str], catalogue: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the media id of each name that belongs to exactly one title of the catalogue."""
    owners: dict[str, set[str]] = defaultdict(set)
    for row in catalogue:
        for key in name_keys(row["title"]):
            owners[key].add(row["media_id"])
    linked = {}
    for name in set(names):
        keys = name_keys(name)
        candidates = owners.get(keys[0], set()) if keys else set()
        if len(candidates) == 1:
            linked[name] = next(iter(candidates))
    return linked
