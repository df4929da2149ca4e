"""Reads the API's journals: directories of JSON Lines files, the newest of which may be being written to."""

import json
from collections.abc import Iterator
from pathlib import Path

from components.ingestion.source import Reader, ReadOptions, SourceRow
from mediareview.contracts import Exposure, Feedback, ServedAnswer, ShadowComparison


def looks_like(path: Path) -> bool:
    """Whether a path is the directory of a journal."""
    return path.is_dir() and any(path.glob("*.jsonl"))


def read_journal(path: Path, options: ReadOptions) -> Iterator[SourceRow]:
    """Read all files of a journal, oldest first; half a line at the end of one is left for the next time."""
    number = 0
    for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
        for line in file.read_bytes().split(b"\n")[:-1]:
            number += 1
            yield _row(number, line.decode(errors="replace"))


def _row(number: int, line: str) -> SourceRow:
    try:
        values = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        return SourceRow(number, line, error=f"not valid JSON: {error}")
    if not isinstance(values, dict):
        return SourceRow(number, line, error="not a JSON object")
    return SourceRow(number, line, values)


READERS: dict[str, Reader] = {
    event.table: read_journal for event in (Feedback, Exposure, ServedAnswer, ShadowComparison)
}
"""Table to reader."""
