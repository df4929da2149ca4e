"""MovieLens releases: 100K (u.data), 1M (.dat), CSV, and the RecBole packaging of 100K (.inter, .item)."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from components.ingestion.source import ReadOptions, SourceRow
from components.ingestion.tabular import check_text, read_csv
from mediareview.errors import MediaReviewError

ML100K_GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
"""The flag columns of ``u.item``, in order."""

_YEAR = re.compile(r"\s*\((\d{4})(?:[-–]\d{0,4})?\)\s*$")
_ARTICLE = re.compile(r"^(.*), (The|A|An|Le|La|Les|L'|Il|Der|Die|Das|El|Los|Las|Un|Une)((?: \(.*\))?)$")


def split_title(title: str) -> tuple[str, int | None]:
    """Split ``Matrix, The (1999)`` into ``The Matrix`` and 1999."""
    year = None
    if match := _YEAR.search(title):
        year, title = int(match[1]), title[: match.start()]
    if match := _ARTICLE.match(title.strip()):
        joint = "" if match[2].endswith("'") else " "
        title = f"{match[2]}{joint}{match[1]}{match[3]}"
    return title.strip(), year


def find(path: Path, table: str) -> Path:
    """Return the file of a release directory that holds the table; a file is returned as it is.

    Raises:
        MediaReviewError: the directory has no such file.
    """
    if not path.is_dir():
        return path
    patterns = {
        "ratings": ("u.data", "ratings.dat", "ratings.csv", "*.inter"),
        "media": ("u.item", "movies.dat", "movies.csv", "*.item"),
    }.get(table, ())
    for pattern in patterns:
        if found := sorted(path.rglob(pattern)):
            return found[0]
    wanted = ", ".join(patterns) or "such a table"
    raise MediaReviewError(f"{path} holds no {table} of a MovieLens release.", f"A file is needed named: {wanted}.")


def read_ratings(path: Path, options: ReadOptions) -> Iterator[SourceRow]:
    """Read the ratings of any release."""
    path = find(path, "ratings")
    for row in _rows(path, options, ("user_id", "media_id", "rating", "rated_at")):
        row.values = {
            name: row.values[name] for name in ("user_id", "media_id", "rating", "rated_at") if name in row.values
        }
        yield row


def read_media(path: Path, options: ReadOptions) -> Iterator[SourceRow]:
    """Read the titles of any release."""
    path = find(path, "media")
    for row in _rows(path, options, ("media_id", "title", "genres")):
        if not row.error:
            row.values = _title(row)
        yield row


def _title(row: SourceRow) -> dict[str, object]:
    if "flags" in row.values:  # u.item
        flags = row.values["flags"]
        genres = [genre for genre, flag in zip(ML100K_GENRES, flags, strict=False) if flag == "1"]
    else:
        genres = re.split(r"[|\s]+" if "class" in row.values else r"\|", row.values.get("genres", ""))
    title, year = split_title(row.values["title"])
    if not year and row.values.get("release_year", "").isdigit():
        year = int(row.values["release_year"])
    genres = [genre for genre in genres if genre and genre not in ("unknown", "(no genres listed)")]
    return {"media_id": row.values["media_id"], "title": title, "year": year, "genres": genres}


_ATOMIC = {
    "item_id": "media_id", "movie_title": "title", "class": "genres", "timestamp": "rated_at",
}  # fmt: skip
_CSV = {"userId": "user_id", "movieId": "media_id", "timestamp": "rated_at"}


def _rows(path: Path, options: ReadOptions, names: tuple[str, ...]) -> Iterator[SourceRow]:
    if path.suffix == ".csv":
        for row in read_csv(path, options):
            row.values = {_CSV.get(name, name): value for name, value in row.values.items()}
            missing = [name for name in names if name not in row.values]
            if missing and not row.error:
                raise MediaReviewError(f"{path} has no column for {', '.join(missing)}.", "Is it a MovieLens CSV file?")
            yield row
        return
    atomic = path.suffix in (".inter", ".item") and path.name != "u.item"
    separator = "::" if path.suffix == ".dat" else "|" if path.name == "u.item" else "\t"
    # The classic releases are Latin-1 whatever the option's default says.
    encoding = options.encoding if atomic or options.encoding.lower() not in ("utf-8", "utf8") else "latin-1"
    empty = True
    with path.open(encoding=encoding, errors="surrogateescape", newline="\n") as file:
        header: list[str] = list(names)
        if atomic:
            header = [
                _ATOMIC.get(cell.partition(":")[0], cell.partition(":")[0])
                for cell in file.readline().rstrip("\n").split("\t")
            ]
            missing = [name for name in names if name not in header]
            if missing:
                raise MediaReviewError(
                    f"{path} has no column for {', '.join(missing)}.", "Is it a RecBole atomic file?"
                )
        for line, raw in enumerate(file, start=2 if atomic else 1):
            raw = raw.rstrip("\r\n")
            if not raw:
                continue
            empty = False
            if bad := check_text(line, raw, encoding):
                yield bad
                continue
            cells = raw.split(separator)
            if path.name == "u.item" and len(cells) >= 6:
                yield SourceRow(line, raw, {"media_id": cells[0], "title": cells[1], "flags": cells[5:]})
            elif len(cells) != len(header) or path.name == "u.item":
                yield SourceRow(line, raw, error=f"has {len(cells)} fields, {len(header)} are needed")
            else:
                values: dict[str, object] = dict(zip(header, cells, strict=True))
                if atomic and "genres" in values:
                    values["class"] = True
                yield SourceRow(line, raw, values)
    if empty:
        raise MediaReviewError(f"{path} is empty.", "Give a file of a MovieLens release.")


def looks_like(path: Path) -> bool:
    """Whether a path is a file or directory of a MovieLens release."""
    if path.is_dir():
        return any(next(path.rglob(name), None) for name in ("u.data", "ratings.dat", "ratings.csv", "*.inter"))
    if path.suffix in (".dat", ".inter", ".item") or path.name in ("u.data", "u.item"):
        return True
    if path.suffix != ".csv":
        return False
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        return "movieId" in next(csv.reader([file.readline()]), [])
