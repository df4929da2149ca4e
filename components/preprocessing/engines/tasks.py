"""What Spark's executors do themselves: read and write the Parquet files of lake tables, by Arrow.

Spark's own way to S3 would be Hadoop's, with its jars, its settings and its second idea of credentials. Here each task
opens the lake as everybody else does.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem

from mediareview.lake import Lake
from mediareview.settings import Settings

Batches = Iterator[pa.RecordBatch]

WRITTEN = "path string, size bigint, rows bigint"
"""Schema, in Spark's words, of what a task reports of the file it wrote: ``mediareview.lake.DataFile``."""


@dataclass(frozen=True)
class TableFolder:
    """Where a task finds a table. It travels to the executors, and therefore holds no credentials.

    Those come from each executor's own environment, as anywhere else.
    """

    lake_url: str
    table: str
    s3_endpoint_url: str
    s3_region: str

    @classmethod
    def of(cls, lake: Lake, table: str) -> "TableFolder":
        """Return the folder of a table of a lake."""
        return cls(lake.url, table, lake.settings.s3_endpoint_url, lake.settings.s3_region)

    def filesystem(self) -> FileSystem:
        """Return the file system whose root is the table's folder."""
        settings = Settings(s3_endpoint_url=self.s3_endpoint_url, s3_region=self.s3_region)
        return Lake(self.lake_url, settings).filesystem(self.table)


@dataclass(frozen=True)
class ReadFiles:
    """Turns batches with numbers of files into the rows of these files."""

    folder: TableFolder
    files: Sequence[str]
    schema: pa.Schema
    """Of the whole table; a column that an older file does not have is null."""
    columns: Sequence[str]

    def __call__(self, numbers: Batches) -> Batches:
        """Read one file after the other, batch by batch."""
        filesystem = self.folder.filesystem()
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                file = ds.dataset(self.files[number], schema=self.schema, filesystem=filesystem, format="parquet")
                yield from file.to_batches(columns=list(self.columns), use_threads=False)


@dataclass(frozen=True)
class WriteFile:
    """Writes a partition to a file of its own in the table's folder, and reports it as ``WRITTEN``.

    A task that fails or is overtaken by its double leaves a file that nobody reports.
    """

    folder: TableFolder
    schema: pa.Schema

    def __call__(self, batches: Batches) -> Batches:
        """Write what there is; a partition without rows makes no file."""
        first = next(batches, None)
        if first is None:
            return
        filesystem, path = self.folder.filesystem(), f"part-{uuid.uuid4()}.zstd.parquet"
        footers: list[pq.FileMetaData] = []
        with (
            filesystem.open_output_stream(path) as sink,
            pq.ParquetWriter(sink, self.schema, compression="zstd", metadata_collector=footers) as writer,
        ):
            writer.write_batch(first.cast(self.schema))
            for batch in batches:
                writer.write_batch(batch.cast(self.schema))
            writer.close()
            written = {"path": [path], "size": [sink.tell()], "rows": [footers[0].num_rows]}
        yield pa.RecordBatch.from_pydict(written)
