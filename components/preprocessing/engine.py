"""The data engine: ibis expressions over lake tables, run by DuckDB in bounded memory."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ibis
import pyarrow as pa

BATCH_ROWS = 50_000
MEMORY_LIMIT = "2GB"
"""DuckDB spills to disk beyond this."""


class Engine:
    """A DuckDB session. Use ``engine()`` to open and close one."""

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

    def stream(self, expression: Any) -> Any:
        """Run an expression and return a record batch reader with the types that ibis promises.

        DuckDB adds 64-bit integers up to 128-bit ones, which Delta Lake and Feast would keep as decimals.
        """
        schema = expression.schema().to_pyarrow()
        result = self._backend.con.sql(ibis.to_sql(expression, dialect="duckdb"))
        batches = (batch.cast(schema) for batch in result.to_arrow_reader(BATCH_ROWS))
        return pa.RecordBatchReader.from_batches(schema, batches)

    def close(self) -> None:
        """Free memory and scratch files."""
        self._backend.disconnect()


@contextmanager
def engine(tables: Mapping[str, Any], scratch: Path, threads: int) -> Iterator[tuple[Engine, dict[str, Any]]]:
    """Open an engine over named Arrow tables or datasets; yield it and the ibis tables by name."""
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch, prefix="duckdb-") as directory:
        session = Engine(Path(directory), threads)
        try:
            yield session, {name: session.table(name, rows) for name, rows in tables.items()}
        finally:
            session.close()
