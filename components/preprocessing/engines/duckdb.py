"""DuckDB: one process, in bounded memory."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa

from components.preprocessing.engines.base import Engine
from mediareview.lake import Lake

BATCH_ROWS = 50_000
MEMORY_LIMIT = "2GB"
"""DuckDB spills to disk beyond this."""


class DuckDBEngine(Engine):
    """A DuckDB session.

    Args:
        scratch: directory to spill to.
        threads: CPU threads to use.
    """

    def __init__(self, scratch: Path, threads: int) -> None:
        self._backend = ibis.duckdb.connect(temp_directory=str(scratch), memory_limit=MEMORY_LIMIT, threads=threads)
        # Days begin at midnight UTC, whatever the machine's time zone.
        self._backend.raw_sql("SET TimeZone = 'UTC'")

    def table(self, name: str, rows: Any) -> Any:
        """Name Arrow rows or a lazy dataset, and return them as an ibis table."""
        # ibis 12 cannot create tables in DuckDB 2 (its DROP VIEW does not parse); registering needs no copy besides.
        self._backend.con.register(name, rows)
        with warnings.catch_warnings():
            # ibis asks DuckDB for the schema in a way that DuckDB 2 deprecates.
            warnings.simplefilter("ignore", DeprecationWarning)
            return self._backend.table(name)

    def scan(self, lake: Lake, table: str, version: int, columns: Iterable[str]) -> Any:
        """Register the table's dataset, which DuckDB scans with push-down."""
        return self.table(table, lake.dataset(table, version)).select(*columns)

    def write(self, lake: Lake, table: str, expression: Any) -> int:
        """Stream the rows into the table."""
        return lake.replace(table, self.stream(expression))

    def stream(self, expression: Any) -> pa.RecordBatchReader:
        """Run an expression and return a record batch reader with the types that ibis promises.

        DuckDB adds 64-bit integers up to 128-bit ones, which Delta Lake and Feast would keep as decimals.
        """
        schema = expression.schema().to_pyarrow()
        result = self._backend.con.sql(ibis.to_sql(expression, dialect="duckdb"))
        batches = (batch.cast(schema) for batch in result.to_arrow_reader(BATCH_ROWS))
        return pa.RecordBatchReader.from_batches(schema, batches)

    def close(self) -> None:
        """End the session."""
        self._backend.disconnect()
