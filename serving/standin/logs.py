"""Log files of the predictors: appended to by their processes, rotated by the stand-in."""

import shutil
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 10 * 2**20
KEPT = 3
_TAIL_BYTES = 8192


def open_log(path: Path) -> BinaryIO:
    """Open a log file for appending, rotated first if it is large."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rotate(path)
    return path.open("ab")


def rotate(path: Path, max_bytes: int = MAX_BYTES) -> None:
    """Move a large log to ``NAME.log.1``, older ones up to ``.3``; the file is copied and emptied under its writer."""
    if not path.exists() or path.stat().st_size < max_bytes:
        return
    names = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, KEPT + 1))]
    for newer, older in reversed(list(pairwise(names[1:]))):
        if newer.exists():
            newer.replace(older)
    shutil.copyfile(path, names[1])
    with path.open("r+b") as file:
        file.truncate()


def last_error(path: Path, offset: int) -> str:
    """Return what a process said of its end: from the last ``Error:`` on, else its last line; empty if nothing.

    Args:
        path: the log.
        offset: where the process's output begins.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(min(offset, size), size - _TAIL_BYTES))
        text = file.read().decode(errors="replace").strip()
    lines = text.splitlines()
    errors = [index for index, line in enumerate(lines) if line.startswith("Error: ")]
    if errors:
        return " ".join(line.strip() for line in lines[errors[-1] :]).removeprefix("Error: ")
    return lines[-1] if lines else ""
