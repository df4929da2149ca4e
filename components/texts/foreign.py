"""Read a foreign file of labelled texts through the contracts, without storing it."""

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from components.ingestion import ReadOptions, ingest_file
from mediareview.console import console
from mediareview.errors import MediaReviewError
from mediareview.lake import Lake


def read_file(data: Path, table: str, format: str = "auto", **reading: Any) -> pd.DataFrame:
    """Return the rows of a file in any format that ``mediareview ingest`` reads.

    Args:
        data: the file, or the directory of a release.
        table: ``reviews`` or ``moderation``.
        format: as for ``ingest``.
        **reading: fields of ``ReadOptions``; None means the default.

    Raises:
        MediaReviewError: the file cannot be read, or none of its rows fits.
    """
    options = ReadOptions(**{name: value for name, value in reading.items() if value is not None})
    with tempfile.TemporaryDirectory() as directory:
        lake = Lake((Path(directory) / "lake").as_uri())
        read = ingest_file(lake, table, data, format, options)
        reasons = "; ".join(f"{count} x {reason}" for reason, count in list(read.reasons.items())[:3])
        if not lake.exists(table):
            raise MediaReviewError(f"No row of {data} fits the contract of {table}.", reasons)
        if read.dead:
            console.print(f"{read.dead:,} of {read.rows_in:,} rows do not fit and are left out: {reasons}")
        rows: pd.DataFrame = lake.read(table).to_pandas()
        return rows
