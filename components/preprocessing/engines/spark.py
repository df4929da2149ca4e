"""Spark: the same expressions, distributed over executors. Rows never pass through the driver."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.operations as ops
import pyarrow as pa
import sqlglot as sg
import sqlglot.expressions as sge

from components.preprocessing.engines.base import Engine
from components.preprocessing.engines.java import java_home
from components.preprocessing.engines.tasks import WRITTEN, ReadFiles, TableFolder, WriteFile
from mediareview.errors import MediaReviewError
from mediareview.lake import DataFile, Lake

LOCAL = "local"
"""Masters of this name run in processes of this machine: ``local[2]``, ``local-cluster[2,1,1024]``."""
DRIVER_MEMORY = "2g"
"""Of a local master, which computes in the driver; Spark spills to disk beyond this."""


class SparkEngine(Engine):
    """A Spark session.

    Args:
        master: ``local[THREADS]``, or ``HOST:PORT`` of a standalone cluster; empty where spark-submit decides.
        scratch: directory to spill to, for a local master.
        threads: CPU threads that a local master uses.

    Raises:
        MediaReviewError: Spark cannot be started.
    """

    def __init__(self, master: str, scratch: Path, threads: int) -> None:
        self._session = _session(master, scratch, threads)
        self._backend = ibis.pyspark.connect(self._session)

    def table(self, name: str, rows: pa.Table) -> Any:
        """Send the rows to Spark."""
        return self._view(name, rows.schema, self._session.createDataFrame(rows))

    def scan(self, lake: Lake, table: str, version: int, columns: Iterable[str]) -> Any:
        """Share the table's files out, one to a task. What was read is kept, because expressions read it repeatedly."""
        from pyspark.sql.pandas.types import from_arrow_schema

        files, schema, columns = lake.files(table, version), lake.dataset(table, version).schema, tuple(columns)
        wanted = pa.schema([schema.field(name) for name in columns])
        if not files:
            return self.table(table, wanted.empty_table())
        numbers = self._session.range(0, len(files), numPartitions=len(files))
        read = ReadFiles(TableFolder.of(lake, table), files, schema, columns)
        return self._view(table, wanted, numbers.mapInArrow(read, from_arrow_schema(wanted)).cache())

    def write(self, lake: Lake, table: str, expression: Any) -> int:
        """Let each task write a file, and commit all of them together."""
        from py4j.protocol import Py4JError  # type: ignore[import-untyped]
        from pyspark.errors import PySparkException

        schema = expression.schema().to_pyarrow()
        try:
            rows = self._session.sql(self._sql(expression))
            written = rows.mapInArrow(WriteFile(TableFolder.of(lake, table), schema), WRITTEN).collect()
        except (PySparkException, Py4JError) as error:
            raise MediaReviewError(
                f"Spark could not compute {table}: {_reason(error)}",
                "The lake keeps the version before. Executors need the lake's credentials in their own environment.",
            ) from error
        return lake.replace_files(table, schema, [DataFile(**row.asDict()) for row in written])

    def close(self) -> None:
        """End the session, and with it the executors."""
        self._session.stop()

    def _view(self, name: str, schema: pa.Schema, rows: Any) -> Any:
        rows.createOrReplaceTempView(name)
        # Spark does not tell that its timestamps are in UTC; expressions have the types of the lake on every engine.
        types = ibis.Schema.from_pyarrow(schema)
        return ops.DatabaseTable(name, types, self._backend, ops.Namespace()).to_expr()

    def _sql(self, expression: Any) -> str:
        query = self._backend.compiler.to_sqlglot(expression)
        # ibis means a float by 2.0; Spark reads a decimal, whose quotients are rounded to few places.
        query = query.transform(lambda node: sg.cast(node.copy(), "double") if _is_float(node) else node)
        return str(query.sql(dialect=self._backend.dialect, unsupported_level=sg.ErrorLevel.RAISE))


def _session(master: str, scratch: Path, threads: int) -> Any:
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ModuleNotFoundError:
        raise MediaReviewError(
            "The Spark engine is not installed.", "Install the extra 'spark' of this project, or use duckdb://."
        ) from None
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    if not master and not submitted:
        raise MediaReviewError(
            "Nothing says where Spark is to run.",
            "Name a master, for example spark://local[2], or start the program by spark-submit.",
        )
    builder = SparkSession.builder.appName("mediareview-features").config(
        map={
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.catalogImplementation": "in-memory",
            "spark.ui.showConsoleProgress": "false",
        }
    )
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if master and not submitted:
        os.environ["JAVA_HOME"] = str(java_home(scratch))
        builder = builder.master(master if master.startswith(LOCAL) else f"spark://{master}")
    if master.startswith(LOCAL):
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        builder = builder.config(
            map={
                "spark.driver.bindAddress": "127.0.0.1",
                "spark.driver.host": "127.0.0.1",
                "spark.driver.memory": DRIVER_MEMORY,
                "spark.local.dir": str(scratch),
                "spark.sql.shuffle.partitions": str(2 * threads),
                "spark.sql.warehouse.dir": str(scratch / "warehouse"),
                "spark.ui.enabled": "false",
            }
        )
    try:
        session = builder.getOrCreate()
    except PySparkException as error:
        raise MediaReviewError(
            f"Spark does not start: {_reason(error)}", "What Java and Spark say about it is printed above."
        ) from error
    session.sparkContext.setLogLevel("WARN")
    # Warns of windows without partitions. The one that features need is over days, which are few.
    jvm: Any = session.sparkContext._jvm
    log4j = jvm.org.apache.logging.log4j
    log4j.core.config.Configurator.setLevel("org.apache.spark.sql.execution.window.WindowExec", log4j.Level.ERROR)
    return session


def _is_float(node: sge.Expression) -> bool:
    return isinstance(node, sge.Literal) and node.is_number and not node.is_int


def _reason(error: Exception) -> str:
    """What Spark says first, or what Python says last if the error is a traceback from an executor."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("SQLSTATE", "JVM stacktrace"))]
    if not told:
        return type(error).__name__
    return told[-1] if told[0].endswith(":") else told[0]
