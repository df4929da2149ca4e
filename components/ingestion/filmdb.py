"""The CC0 film database of the Bokeh sample data: 17,472 films from OMDb in a SQLite file."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from components.ingestion.source import ReadOptions, SourceRow
from mediareview.errors import MediaReviewError

_QUERY = """
    SELECT imdbID, Title, Year, Genre, Director, "Cast", Writer, Language, Country, Runtime, imdbVotes
    FROM omdb ORDER BY ID
"""


def read_filmdb(path: Path, options: ReadOptions) -> Iterator[SourceRow]:
    """Read every film; the IMDb id becomes the media id.

    Raises:
        MediaReviewError: the file is no such database.
    """
    try:
        with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True) as connection:
            for number, film in enumerate(connection.execute(_QUERY), start=1):
                imdb_id, title, year, genres, directors, cast, writers, languages, countries, runtime, votes = film
                yield SourceRow(
                    number,
                    json.dumps(film, ensure_ascii=False),
                    {
                        "media_id": imdb_id,
                        "imdb_id": imdb_id,
                        "title": title,
                        "year": year,
                        "genres": _names(genres),
                        "directors": _names(directors),
                        "cast": _names(cast),
                        "writers": _names(writers),
                        "languages": _names(languages),
                        "countries": _names(countries),
                        "runtime_min": runtime,
                        "votes": votes,
                    },
                )
    except sqlite3.DatabaseError as error:
        raise MediaReviewError(
            f"{path} is not the film database: {error}", "Give movies.db of the Bokeh sample data."
        ) from error


def _names(cell: str | None) -> list[str]:
    """Split ``Joel Coen, Ethan Coen (co-director)`` into names, without roles and repetitions."""
    names = [name.partition("(")[0].strip() for name in (cell or "").split(",")]
    return [name for name in dict.fromkeys(names) if name and name != "N/A"]
