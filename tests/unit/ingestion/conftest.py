"""A lake in a temporary directory, and a shorthand to ingest text into it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.ingestion import IngestSummary, ReadOptions, ingest_file
from mediareview.lake import Lake

Ingest = Callable[..., IngestSummary]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake((tmp_path / "lake").as_uri())


@pytest.fixture
def ingest(lake: Lake, tmp_path: Path) -> Ingest:
    """Write a file and ingest it; the summary must add up and match what the lake holds."""

    def write_and_ingest(
        table: str, name: str, content: str | bytes, format: str = "auto", **options: Any
    ) -> IngestSummary:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        summary = ingest_file(lake, table, path, format, ReadOptions(**options))
        assert summary.rows_in == summary.stored + summary.dead
        return summary

    return write_and_ingest
