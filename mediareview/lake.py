"""The lake: ACID tables on a directory or on S3, with time travel (Delta Lake through delta-rs)."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable, Schema, write_deltalake
from deltalake.exceptions import TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction, create_table_with_add_actions
from pyarrow.fs import FileSystem, PyFileSystem

from mediareview.errors import MediaReviewError
from mediareview.s3 import ensure_bucket, list_prefixes, storage_options
from mediareview.settings import Settings, get_settings


@dataclass(frozen=True)
class MergeResult:
    """What a merge did, in rows. The three counts add up to the rows given."""

    inserted: int
    updated: int
    unchanged: int


@dataclass(frozen=True)
class DataFile:
    """A Parquet file in the folder of a table, of which it is not a part before it is committed."""

    path: str
    """Below the table's folder."""
    size: int
    """Bytes."""
    rows: int


class Lake:
    """Delta tables below one URL.

    Args:
        url: ``file:///directory`` or ``s3://bucket/prefix``.
        settings: endpoint and credentials of S3. A bucket that does not exist is created.
        patience_s: how long a store that does not answer is asked again, in seconds; by default some minutes.

    Raises:
        MediaReviewError: the URL has another scheme, or the bucket cannot be used.
    """

    def __init__(self, url: str, settings: Settings | None = None, *, patience_s: float | None = None) -> None:
        scheme = urlsplit(url).scheme
        self.url = url
        self.settings = settings or get_settings()
        self._options: dict[str, str] = {}
        if scheme == "file":
            self._root = url2pathname(urlsplit(url).path)
            Path(self._root).mkdir(parents=True, exist_ok=True)
        elif scheme == "s3":
            self._root = url.rstrip("/")
            ensure_bucket(url, self.settings)
            self._options = storage_options(self.settings)
            if patience_s is not None:
                self._options |= {
                    "timeout": f"{patience_s:g}s",
                    "retry_timeout": f"{patience_s:g}s",
                    "max_retries": "2",
                }
        else:
            raise MediaReviewError(
                f"The lake URL {url!r} is not supported.", "Use file:///directory or s3://bucket/prefix."
            )

    @classmethod
    def from_settings(cls, settings: Settings | None = None, *, patience_s: float | None = None) -> "Lake":
        """Open the lake that ``MEDIAREVIEW_LAKE_URL`` names."""
        settings = settings or get_settings()
        return cls(settings.lake, settings, patience_s=patience_s)

    def uri(self, table: str) -> str:
        """Path or URL of a table."""
        return f"{self._root}/{table}"

    def exists(self, table: str) -> bool:
        """Whether the table has been created."""
        return DeltaTable.is_deltatable(self.uri(table), storage_options=self._options)

    def open(self, table: str, version: int | None = None) -> DeltaTable:
        """Open a table at a version, or at the newest.

        Raises:
            MediaReviewError: there is no such table or version.
        """
        try:
            return DeltaTable(self.uri(table), version=version, storage_options=self._options)
        except TableNotFoundError:
            raise MediaReviewError(
                f"The lake at {self.url} has no table {table!r}.",
                f"Ingest it first: mediareview ingest {table} PATH (or mediareview ingest demo).",
            ) from None
        except Exception as error:
            if version is None:
                raise
            raise MediaReviewError(
                f"Table {table!r} cannot be opened at version {version}: {error}",
                f"Its versions run from 0 to {self.version(table)}, less what was vacuumed.",
            ) from error

    def version(self, table: str) -> int:
        """Newest version of a table."""
        return self.open(table).version()

    def pin(self, tables: Iterable[str]) -> dict[str, int]:
        """Return the newest version of each table, to be read again later: a run's pins."""
        return {table: self.version(table) for table in tables}

    def dataset(self, table: str, version: int | None = None) -> ds.Dataset:
        """A lazy PyArrow dataset over the table's files; DuckDB and ibis scan it with push-down."""
        return self.open(table, version).to_pyarrow_dataset()

    def read(
        self,
        table: str,
        version: int | None = None,
        columns: list[str] | None = None,
        where: ds.Expression | None = None,
    ) -> pa.Table:
        """Read a table into memory; only ``columns`` and the rows ``where`` holds, if given."""
        return self.dataset(table, version).to_table(columns=columns, filter=where)

    def append(self, table: str, rows: pa.Table) -> int:
        """Append rows and return the table's new version."""
        write_deltalake(self.uri(table), rows, mode="append", storage_options=self._options)
        return self.version(table)

    def replace(self, table: str, rows: pa.Table) -> int:
        """Replace the table's rows, and its schema, and return the new version. Earlier versions stay readable."""
        write_deltalake(self.uri(table), rows, mode="overwrite", schema_mode="overwrite", storage_options=self._options)
        return self.version(table)

    def filesystem(self, table: str) -> FileSystem:
        """Return a file system whose root is the table's folder, for those who read and write its files themselves."""
        if not self.url.startswith("s3://"):
            Path(self.uri(table)).mkdir(exist_ok=True)
        return PyFileSystem(DeltaStorageHandler(self.uri(table), self._options))

    def files(self, table: str, version: int) -> list[str]:
        """Return the paths, below the table's folder, of the Parquet files that hold a version.

        Raises:
            MediaReviewError: there is no such table or version, or its files alone do not tell its rows.
        """
        opened = self.open(table, version)
        if opened.metadata().partition_columns or opened.protocol().min_reader_version > 1:
            raise MediaReviewError(
                f"Table {table!r} has partitions, deletion vectors or renamed columns: its files alone do not tell its "
                "rows.",
                "Write it again without them: lake.replace(table, lake.read(table)).",
            )
        return list(opened.to_pyarrow_dataset().files)

    def replace_files(self, table: str, schema: pa.Schema, files: Sequence[DataFile]) -> int:
        """Make files, written to the table's folder by whomever, all there is of the table; return the new version.

        It is one transaction: before it, nobody sees the files, and what never gets there is removed by ``vacuum``.
        """
        now_ms = time.time_ns() // 1_000_000
        added = [
            AddAction(file.path, file.size, {}, now_ms, True, json.dumps({"numRecords": file.rows})) for file in files
        ]
        columns = Schema.from_arrow(schema)
        if self.exists(table):
            self.open(table).create_write_transaction([*added], mode="overwrite", schema=columns)
        else:
            create_table_with_add_actions(self.uri(table), columns, added, storage_options=self._options)
        return self.version(table)

    def merge(self, table: str, rows: pa.Table, key: Iterable[str], *, update: bool = True) -> MergeResult:
        """Insert rows with new keys and, if ``update``, overwrite rows whose content changed.

        Rows that are there already, unchanged, cause no new version.

        Raises:
            MediaReviewError: two of the rows have the same key.
        """
        key = list(key)
        if rows.group_by(key).aggregate([]).num_rows != rows.num_rows:
            raise MediaReviewError(
                f"Rows for table {table!r} repeat a key ({', '.join(key)}).", "Remove the duplicates."
            )
        if not self.exists(table):
            write_deltalake(self.uri(table), rows, mode="append", storage_options=self._options)
            return MergeResult(inserted=rows.num_rows, updated=0, unchanged=0)
        merger = self.open(table).merge(
            rows,
            " AND ".join(f"target.{column} = source.{column}" for column in key),
            source_alias="source",
            target_alias="target",
        )
        rest = [column for column in rows.column_names if column not in key]
        if update and rest:
            merger = merger.when_matched_update_all(
                predicate=" OR ".join(f"(target.{column} IS DISTINCT FROM source.{column})" for column in rest)
            )
        done: dict[str, Any] = merger.when_not_matched_insert_all().execute()
        inserted, updated = done["num_target_rows_inserted"], done["num_target_rows_updated"]
        return MergeResult(inserted=inserted, updated=updated, unchanged=rows.num_rows - inserted - updated)

    def tables(self) -> list[str]:
        """Names of the tables, sorted."""
        if self.url.startswith("s3://"):
            names = list_prefixes(self.url, self.settings)
        else:
            names = [path.name for path in Path(self._root).iterdir()]
        return sorted(name for name in names if self.exists(name))
