"""What readers yield and what they may be told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class SourceRow:
    """One row of a file: its values by contract field, or the reason why it could not be read."""

    line: int
    """Line (text files) or row number (binary files), from 1."""
    raw: str
    """The row as it stands in the file, as text."""
    values: dict[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class ReadOptions:
    """How to read a file."""

    columns: dict[str, str] = field(default_factory=dict)
    """Column of the file to contract field; others are matched by name."""
    labels: dict[str, str] = field(default_factory=dict)
    """Label in the file to label of the contract, for example ``{"0": "negative"}``."""
    encoding: str = "utf-8"
    rating_scale: tuple[float, float] | None = None
    """Lowest and highest rating of the file; mapped to 0.5 to 5 stars. None: the ratings are stars already."""
    id_prefix: str = ""
    """Put before user and media ids, to tell data sets with colliding ids apart."""
    source: str = ""
    """Written to the ``source`` column; empty means the reader's own name for the data set."""


Reader = Callable[[Path, ReadOptions], Iterator[SourceRow]]
"""Reads one file, lazily, row by row."""
