"""What an engine is: a session that runs ibis expressions over tables of the lake and keeps results there."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from mediareview.lake import Lake


class Engine(ABC):
    """Runs ibis expressions. ``open_engine`` opens and closes one.

    Engines agree on what an expression gives, row by row: days begin at midnight UTC, timestamps are microseconds in
    UTC, sums of integers are 64-bit integers. They may add floats in any order.
    """

    @abstractmethod
    def table(self, name: str, rows: pa.Table) -> Any:
        """Name rows that are in memory, and return them as an ibis table."""

    @abstractmethod
    def scan(self, lake: Lake, table: str, version: int, columns: Iterable[str]) -> Any:
        """Return columns of a lake table at a version as an ibis table; rows are read when they are needed.

        Raises:
            MediaReviewError: there is no such table or version, or this engine cannot read it.
        """

    @abstractmethod
    def write(self, lake: Lake, table: str, expression: Any) -> int:
        """Run an expression, let its rows replace those of a lake table, and return the new version.

        Whoever reads meanwhile, and everybody if it fails, sees the version before.

        Raises:
            MediaReviewError: the engine cannot do it.
        """

    @abstractmethod
    def close(self) -> None:
        """Free memory and scratch files."""
