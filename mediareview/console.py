"""What a person sees while something long runs: steps, estimates, progress, tables."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

console = Console(stderr=True, highlight=False, soft_wrap=True)
"""Progress and messages go to stderr, so that stdout holds results only."""

WIDTH_IN_FILES = 200

output = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDTH_IN_FILES)
"""Results go to stdout. A file or a pipe has no width, and no table is broken for it."""


@contextmanager
def step(title: str, expected_s: float | None = None) -> Iterator[None]:
    """Announce a step with its expected duration, and say how long it took."""
    expectation = f" [dim](about {duration(expected_s)})[/dim]" if expected_s else ""
    console.print(f"[bold]▸ {title}[/bold]{expectation}")
    started = time.monotonic()
    try:
        yield
    except BaseException:
        console.print(f"  [red]✗ stopped after {duration(time.monotonic() - started)}[/red]")
        raise
    console.print(f"  [green]✓[/green] [dim]{duration(time.monotonic() - started)}[/dim]")


def duration(seconds: float) -> str:
    """Return a duration as people say it: ``0.4 s``, ``12 s``, ``3 min 5 s``, ``2 h 5 min``, ``6 d 23 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for size_s, unit, smaller in ((86_400, "d", "h"), (3600, "h", "min"), (60, "min", "s")):
        smaller_s = {"h": 3600, "min": 60, "s": 1}[smaller]
        rounded = round(seconds / smaller_s)
        if rounded * smaller_s >= size_s:
            whole, rest = divmod(rounded, size_s // smaller_s)
            return f"{whole} {unit} {rest} {smaller}" if rest else f"{whole} {unit}"
    return f"{seconds:.0f} s"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table to stdout; numbers are aligned right."""
    grid = Table(title=title, title_justify="left", title_style="bold")
    rows = [list(row) for row in rows]
    for index, column in enumerate(columns):
        numeric = any(isinstance(row[index], int | float) for row in rows)
        grid.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row))
    output.print(grid)
