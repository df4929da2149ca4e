"""Read a file, validate every row against its contract, and store it: in its table, or as a dead letter."""

import errno
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake.exceptions import DeltaError
from pydantic import ValidationError

from components.ingestion.formats import READERS, TABULAR, detect
from components.ingestion.labels import complete
from components.ingestion.source import ReadOptions, SourceRow
from components.ingestion.tabular import field_of, rename
from mediareview.contracts import CONTRACTS, DeadLetter, Record, to_arrow
from mediareview.errors import MediaReviewError
from mediareview.lake import Lake

CHUNK_ROWS = 50_000
"""Rows validated at a time."""
MERGE_ROWS = 2_000_000
"""Rows merged into the lake at a time; fewer merges scan the table less often."""


@dataclass
class IngestSummary:
    """What became of the rows of a file: ``rows_in = inserted + updated + unchanged + dead``."""

    table: str
    file: str
    format: str
    rows_in: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    dead: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    """Why rows died, and how many of each, most frequent first."""

    @property
    def stored(self) -> int:
        """Rows that are in the table now."""
        return self.inserted + self.updated + self.unchanged

    def as_dict(self) -> dict[str, Any]:
        """The summary for machines."""
        return {**asdict(self), "stored": self.stored}


def ingest_file(
    lake: Lake,
    table: str,
    path: Path,
    format: str = "auto",
    options: ReadOptions | None = None,
    every: int = 1,
) -> IngestSummary:
    """Ingest one file or directory. Ingesting it again changes nothing.

    Args:
        lake: where rows go.
        table: a contract that ``mediareview ingest`` offers: ``ratings``, ``reviews``, ``feedback``, ``exposures`` ...
        path: the file, or the directory of a release.
        format: one of ``FORMATS``.
        options: how to read it.
        every: take one row in so many, for a sample.

    Raises:
        MediaReviewError: the file is missing, empty, in another format, lacks a column, or the disk is full.
    """
    options = options or ReadOptions()
    if not path.exists():
        raise MediaReviewError(f"{path} does not exist.", "Check the path.")
    if path.is_file() and path.stat().st_size == 0:
        raise MediaReviewError(f"{path} is empty.", "Give a file with at least one row.")
    if format == "auto":
        format = detect(path, table)
    options = replace(options, source=options.source or (path.stem if format in TABULAR else format))
    summary = IngestSummary(table=table, file=str(path), format=format)
    reasons: Counter[str] = Counter()
    rows = islice(_contract_rows(path, table, format, options), None, None, every)
    seen: dict[int, int] = {}
    good: list[pa.Table] = []
    try:
        while chunk := list(islice(rows, CHUNK_ROWS)):
            summary.rows_in += len(chunk)
            records, dead = _validate(chunk, CONTRACTS[table], path, options, seen)
            reasons.update(letter.reason for letter in dead)
            summary.dead += len(dead)
            if dead:
                # The same row is the same letter, however often it comes.
                letters = {letter.digest: letter for letter in dead}
                lake.merge(DeadLetter.table, to_arrow(DeadLetter, letters.values()), DeadLetter.key, update=False)
            if records:
                good.append(to_arrow(CONTRACTS[table], records))
            if sum(part.num_rows for part in good) >= MERGE_ROWS:
                _merge(lake, table, good, summary)
                good = []
        if good:
            _merge(lake, table, good, summary)
    except (OSError, DeltaError) as error:
        raise _storage_error(error, lake) from error
    if summary.rows_in == 0:
        raise MediaReviewError(f"{path} holds no rows for {table}.", "Check the file and the --format.")
    if summary.rows_in != summary.stored + summary.dead:
        raise AssertionError(f"rows were lost: {summary}")
    summary.reasons = dict(reasons.most_common())
    return summary


def _contract_rows(path: Path, table: str, format: str, options: ReadOptions) -> Iterator[SourceRow]:
    if format in READERS:
        if table not in READERS[format]:
            raise MediaReviewError(
                f"A {format} file holds no {table}.", f"It can be ingested as: {', '.join(READERS[format])}."
            )
        yield from READERS[format][table](path, options)
        return
    if format not in TABULAR:
        known = ", ".join([*READERS, *TABULAR])
        raise MediaReviewError(f"There is no format {format!r}.", f"Choose one of: {known}.")
    if path.is_dir():
        raise MediaReviewError(f"{path} is a directory.", "Give a file, or --format movielens for a release.")
    yield from _matched(TABULAR[format](path, options), path, table, options)


def _matched(rows: Iterator[SourceRow], path: Path, table: str, options: ReadOptions) -> Iterator[SourceRow]:
    """Match the columns of a plain table to the contract's fields."""
    fields = set(CONTRACTS[table].model_fields) | ({"label"} if table == "moderation" else set())
    for target in options.columns.values():
        if target not in fields:
            raise MediaReviewError(f"{table} has no field {target!r}.", f"It has: {', '.join(sorted(fields))}.")
    needed = {name for name, info in CONTRACTS[table].model_fields.items() if info.is_required()}
    needed -= {"review_id", "item_id"}
    names: dict[str, str | None] = {}
    checked = False
    for row in rows:
        if not row.error:
            for column in row.values:
                if column not in names:
                    names[column] = field_of(column, table, fields, options)
            if not checked:
                checked = True
                _check_columns(path, table, row, names, needed, options)
            row.values = rename(row, names)
        yield row


def _check_columns(
    path: Path, table: str, row: SourceRow, names: dict[str, str | None], needed: set[str], options: ReadOptions
) -> None:
    absent = set(options.columns) - set(row.values)
    if absent:
        raise MediaReviewError(
            f"{path} has no column {', '.join(sorted(absent))}.", f"It has: {', '.join(row.values)}."
        )
    missing = sorted(needed - {name for name in names.values() if name})
    if missing:
        raise MediaReviewError(
            f"{path} has no column for {', '.join(missing)} of {table}. Its columns: {', '.join(row.values)}.",
            f"Say which one it is: --map COLUMN={missing[0]}",
        )


def _validate(
    rows: list[SourceRow], contract: type[Record], path: Path, options: ReadOptions, seen: dict[int, int]
) -> tuple[list[Record], list[DeadLetter]]:
    """Split rows into records and dead letters. ``seen`` maps keys of earlier rows to lines, some 100 bytes a row."""
    records: list[Record] = []
    dead: list[DeadLetter] = []
    now = datetime.now(UTC)
    for row in rows:
        reason = row.error
        if not reason:
            try:
                record = contract.model_validate(complete(contract.table, row.values, options))
                key = hash(tuple(getattr(record, name) for name in contract.key))
                first = seen.setdefault(key, row.line)
                if first == row.line:
                    records.append(record)
                    continue
                reason = f"repeats the {', '.join(contract.key)} of line {first}"
            except ValidationError as error:
                reason = "; ".join(_told(problem) for problem in error.errors(include_url=False, include_context=False))
            except ValueError as error:
                reason = str(error)
        dead.append(_dead_letter(row, contract, path, reason, now))
    return records, dead


def _told(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    what = "is missing" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


def _dead_letter(row: SourceRow, contract: type[Record], path: Path, reason: str, now: datetime) -> DeadLetter:
    raw = row.raw.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    digest = hashlib.sha256("\0".join((contract.table, path.name, str(row.line), raw)).encode()).hexdigest()
    return DeadLetter(
        digest=digest, contract=contract.table, file=path.name, line=row.line, reason=reason, raw=raw, rejected_at=now
    )


def _merge(lake: Lake, table: str, parts: list[pa.Table], summary: IngestSummary) -> None:
    done = lake.merge(table, pa.concat_tables(parts), CONTRACTS[table].key)
    summary.inserted += done.inserted
    summary.updated += done.updated
    summary.unchanged += done.unchanged


def _storage_error(error: Exception, lake: Lake) -> MediaReviewError:
    full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
    if full:
        return MediaReviewError(
            f"The disk of the lake at {lake.url} is full. What was stored before is intact.",
            "Free some space and run the same command again; rows already stored are recognised.",
        )
    return MediaReviewError(f"Reading or storing failed: {error}", "Run the same command again when it is mended.")
