"""Reads the API's journals as they grow: each line once, half lines when they are whole."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

LONGEST_FILE_S = 3600.0
"""How long the API writes to a file, at most. (Importing the API to learn it would take half a second and 40 MB.)"""
_CHUNK_BYTES = 4 * 2**20
_NAME_FORMAT = "%Y%m%dT%H%M%S.%fZ"


class JournalTail:
    """Lines of a journal's files that were not read before. What another process is just writing waits.

    Args:
        directory: the journal's; it need not exist yet.
        since: files that were finished before are left out.
        until: files that were begun later are left out; by default there are none.
        max_bytes: no more than the newest files of this size together are read.
    """

    def __init__(
        self, directory: Path, since: datetime, until: datetime | None = None, max_bytes: int | None = None
    ) -> None:
        self.directory = directory
        self._earliest_s = since.timestamp() - LONGEST_FILE_S
        self._latest_s = until.timestamp() if until is not None else float("inf")
        self._max_bytes = max_bytes
        self._offsets: dict[str, int] = {}
        """File to the bytes that were read, up to the end of a line."""

    def lines(self) -> Iterator[bytes]:
        """Yield new lines, oldest file first.

        Raises:
            OSError: a file cannot be read.
        """
        paths = self._files()
        # A file that was taken away, which is how operators make room, is forgotten.
        self._offsets = {path.name: self._offsets.get(path.name, 0) for path in paths}
        for path in paths:
            try:
                if path.stat().st_size > self._offsets[path.name]:
                    yield from self._new_lines(path)
            except FileNotFoundError:
                continue

    def _new_lines(self, path: Path) -> Iterator[bytes]:
        with path.open("rb") as file:
            file.seek(self._offsets[path.name])
            rest = b""
            while chunk := file.read(_CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._offsets[path.name] += len(line) + 1
                    if line:
                        yield line

    def _files(self) -> list[Path]:
        paths = sorted(self.directory.glob("*.jsonl"))
        paths = [path for path in paths if self._earliest_s <= _begun_s(path) <= self._latest_s]
        if self._max_bytes is None:
            return paths
        kept: list[Path] = []
        size = 0
        for path in reversed(paths):
            size += path.stat().st_size
            if size > self._max_bytes and kept:
                break
            kept.append(path)
        return kept[::-1]


def _begun_s(path: Path) -> float:
    """Return when a file was begun, in Unix time, as its name tells; infinity if it does not."""
    try:
        return datetime.strptime(path.name.split("-")[0], _NAME_FORMAT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return float("inf")
