"""Data engines: the same ibis expressions on DuckDB, or distributed on Spark, as ``MEDIAREVIEW_ENGINE_URL`` says."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from components.preprocessing.engines.base import Engine
from mediareview.errors import MediaReviewError
from mediareview.settings import Settings

DUCKDB, SPARK = "duckdb://", "spark://"

__all__ = ["DUCKDB", "SPARK", "Engine", "open_engine"]


@contextmanager
def open_engine(settings: Settings) -> Iterator[Engine]:
    """Open the engine that the settings name, with scratch space below their home, and close it afterwards.

    Raises:
        MediaReviewError: it cannot be opened here.
    """
    scratch = settings.root / "features"
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch, prefix="engine-") as directory:
        engine = _open(settings, Path(directory))
        try:
            yield engine
        finally:
            engine.close()


def _open(settings: Settings, scratch: Path) -> Engine:
    if settings.engine_url.startswith(SPARK):
        from components.preprocessing.engines.spark import SparkEngine

        return SparkEngine(settings.engine_url.removeprefix(SPARK), scratch, settings.threads)
    if settings.engine_url not in ("", DUCKDB):
        raise MediaReviewError(
            f"{settings.engine_url} computes nothing in this process.",
            "Others prepared features meanwhile; run it again.",
        )
    from components.preprocessing.engines.duckdb import DuckDBEngine

    return DuckDBEngine(scratch, settings.threads)
