"""Append-only JSON Lines files: what was written is on disk, and a crash leaves no half line behind.

One process writes to a file of its own and holds a lock on it; readers need none. Files sort by their time of
creation and are never changed once the next one is begun.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

MAX_BYTES = 64 * 2**20
MAX_AGE_S = 3600.0
_TAIL_BYTES = 2**20


class Journal:
    """Writes lines to the newest file of a directory. Not thread-safe.

    Args:
        directory: it is created by the first write.
        max_bytes: size at which the next file is begun.
        max_age_s: age at which the next file is begun, in seconds.
    """

    def __init__(self, directory: Path, *, max_bytes: int = MAX_BYTES, max_age_s: float = MAX_AGE_S) -> None:
        self.directory = directory
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._fd = -1
        self._path = directory
        self._size = 0
        self._opened_at = 0.0

    def write(self, lines: bytes) -> None:
        """Append whole lines and wait until they are on disk.

        Raises:
            OSError: they cannot be written, for example because the disk is full; then none of them is kept.
        """
        try:
            if self._fd < 0 or self._size >= self._max_bytes or time.monotonic() - self._opened_at >= self._max_age_s:
                self.close()
                self._open()
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            os.fsync(self._fd)
        except OSError:
            # After a failed write or sync nobody knows what the file holds beyond what was synced before.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
                if self._size == 0:
                    self._path.unlink()
            self.close()
            raise
        self._size += len(lines)

    def close(self) -> None:
        """Close the file; the next write begins another."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def repair(self) -> int:
        """Cut off the half lines that crashes left behind; return how many.

        Nobody was told that those were stored. Files that another process writes to are left alone.
        """
        return sum(_repair(path) for path in self.files())

    def files(self) -> list[Path]:
        """Return the files, oldest first."""
        return sorted(self.directory.glob("*.jsonl"))

    def newest_lines(self, count: int) -> Iterator[bytes]:
        """Yield up to ``count`` of the newest lines, newest first."""
        for path in reversed(self.files()):
            for line in _lines_backwards(path):
                if count <= 0:
                    return
                count -= 1
                yield line

    def _open(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._path = self.directory / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{os.getpid()}.jsonl"
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._size, self._opened_at = 0, time.monotonic()
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        # Without it a power failure may lose the file's name, and all its lines with it.
        directory = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _repair(path: Path) -> bool:
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        end = file.seek(0, os.SEEK_END)
        kept = end
        while kept > 0:
            start = max(0, kept - _TAIL_BYTES)
            file.seek(start)
            newline = file.read(kept - start).rfind(b"\n")
            kept = start if newline < 0 else start + newline + 1
            if newline >= 0:
                break
        if kept == end:
            return False
        file.truncate(kept)
        os.fsync(file.fileno())
        if kept == 0:
            path.unlink()
        return True


def _lines_backwards(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        rest = b""
        while position > 0:
            start = max(0, position - _TAIL_BYTES)
            file.seek(start)
            block = file.read(position - start) + rest
            rest, *lines = block.split(b"\n")
            yield from (line for line in reversed(lines) if line)
            position = start
        if rest:
            yield rest
