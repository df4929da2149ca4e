"""Plain CSV, TSV, JSON Lines and Parquet files."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.ingestion.source import ReadOptions, SourceRow
from mediareview.errors import MediaReviewError

UNDECODABLE = re.compile("[\udc80-\udcff]")
"""What ``surrogateescape`` leaves of bytes that are not valid in the encoding."""

# Long enough for any text a person wrote; the contract decides what is too long.
csv.field_size_limit(128 * 1024 * 1024)


def check_text(line: int, raw: str, encoding: str) -> SourceRow | None:
    """Return a row that says so if the raw text holds bytes that are not valid in the encoding."""
    if UNDECODABLE.search(raw):
        readable = raw.encode(encoding, "surrogateescape").decode("latin-1")
        return SourceRow(line, readable, error=f"not valid {encoding}; give the file's own with --encoding")
    return None


def read_csv(path: Path, options: ReadOptions) -> Iterator[SourceRow]:
    """Read a CSV or TSV file with a header; the delimiter is guessed from the header."""
    encoding = "utf-8-sig" if options.encoding.lower() in ("utf-8", "utf8") else options.encoding
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        header_line = file.readline()
        if not header_line.strip():
            raise MediaReviewError(f"{path} is empty.", "Give a CSV file with a header and at least one row.")
        if UNDECODABLE.search(header_line) or "\x00" in header_line:
            raise MediaReviewError(f"{path} is not {options.encoding} text.", "Give its encoding with --encoding.")
        delimiter = max(",;\t|", key=header_line.count)
        header = [name.strip() for name in next(csv.reader([header_line], delimiter=delimiter))]
        rows = csv.reader(file, delimiter=delimiter)
        while True:
            line = rows.line_num + 2
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield SourceRow(line, "", error=f"not valid CSV: {error}")
                continue
            raw = delimiter.join(cells)
            if not any(cells):
                continue
            if bad := check_text(line, raw, options.encoding):
                yield bad
            elif len(cells) != len(header):
                yield SourceRow(line, raw, error=f"has {len(cells)} columns, the header has {len(header)}")
            else:
                yield SourceRow(line, raw, dict(zip(header, cells, strict=True)))


def read_jsonl(path: Path, options: ReadOptions) -> Iterator[SourceRow]:
    """Read a file with one JSON object a line."""
    encoding = "utf-8-sig" if options.encoding.lower() in ("utf-8", "utf8") else options.encoding
    seen = False
    with path.open(encoding=encoding, errors="surrogateescape") as file:
        for line, raw in enumerate(file, start=1):
            raw = raw.strip()
            if not raw:
                continue
            seen = True
            if bad := check_text(line, raw, options.encoding):
                yield bad
                continue
            try:
                values = json.loads(raw)
            except (json.JSONDecodeError, RecursionError) as error:
                yield SourceRow(line, raw, error=f"not valid JSON: {error}")
                continue
            if isinstance(values, dict):
                yield SourceRow(line, raw, values)
            else:
                yield SourceRow(line, raw, error=f"a JSON object is needed, this is a {type(values).__name__}")
    if not seen:
        raise MediaReviewError(f"{path} is empty.", "Give a file with one JSON object a line.")


def read_parquet(path: Path, options: ReadOptions) -> Iterator[SourceRow]:
    """Read a Parquet file, batch by batch."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        row = 0
        for batch in file.iter_batches(batch_size=20_000):
            for values in batch.to_pylist():
                row += 1
                yield SourceRow(row, json.dumps(values, default=str, ensure_ascii=False), values)
    except (pa.ArrowException, OSError) as error:
        raise MediaReviewError(f"{path} is not a readable Parquet file: {error}", "Write it again.") from error
    if row == 0:
        raise MediaReviewError(f"{path} is empty.", "Give a Parquet file with at least one row.")


ALIASES: dict[str, dict[str, str]] = {
    "ratings": {
        "user": "user_id", "uid": "user_id", "reviewerid": "user_id", "customerid": "user_id",
        "movieid": "media_id", "itemid": "media_id", "item": "media_id", "movie": "media_id", "asin": "media_id",
        "bookid": "media_id", "productid": "media_id",
        "stars": "rating", "score": "rating", "overall": "rating",
        "timestamp": "rated_at", "time": "rated_at", "date": "rated_at", "createdat": "rated_at",
    },
    "reviews": {
        "id": "review_id",
        "review": "text", "content": "text", "body": "text", "reviewtext": "text", "comment": "text",
        "sentence": "text",
        "label": "sentiment", "polarity": "sentiment", "class": "sentiment",
        "stars": "rating", "score": "rating", "overall": "rating",
        "user": "user_id", "movieid": "media_id", "itemid": "media_id", "moviename": "title", "movie": "title",
        "timestamp": "created_at", "time": "created_at", "date": "created_at",
    },
    "moderation": {
        "id": "item_id",
        "comment": "text", "content": "text", "body": "text", "message": "text", "review": "text",
        "insult": "abusive", "abuse": "abusive", "toxic": "abusive", "category": "label", "class": "label",
        "userid": "author_id", "user": "author_id", "date": "labelled_at", "timestamp": "labelled_at",
    },
    "media": {
        "movieid": "media_id", "itemid": "media_id", "id": "media_id", "name": "title", "movietitle": "title",
        "releaseyear": "year", "genre": "genres", "director": "directors", "actors": "cast", "description": "plot",
        "overview": "plot", "runtime": "runtime_min", "imdbid": "imdb_id", "language": "languages",
        "country": "countries", "writer": "writers", "numvotes": "votes",
    },
    "interactions": {
        "id": "interaction_id", "user": "user_id", "itemid": "media_id", "movieid": "media_id", "event": "type",
        "timestamp": "occurred_at", "time": "occurred_at", "date": "occurred_at",
    },
    **{events: {} for events in ("feedback", "exposures", "answers", "shadow")},
}  # fmt: skip
"""Common column names, lower case without separators, to contract field."""


def field_of(column: str, table: str, fields: set[str], options: ReadOptions) -> str | None:
    """Return the contract field a column fills, or None if it fills none."""
    if column in options.columns:
        return options.columns[column]
    plain = re.sub(r"[\s_.-]", "", column).lower()
    for name in fields:
        if name.replace("_", "") == plain:
            return name
    return ALIASES[table].get(plain)


def rename(row: SourceRow, names: dict[str, str | None]) -> dict[str, Any]:
    """Return the row's values by contract field; columns that fill none are left out."""
    return {names[column]: value for column, value in row.values.items() if names.get(column) is not None}  # type: ignore[misc]
