"""Results kept by the content they were computed from, so that unchanged text is never processed twice."""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

_SQL_VARIABLES = 500


class ContentCache:
    """A SQLite file from content digests to bytes. Several processes may use it at once.

    Args:
        path: the file; it and its folder are made when needed.
        recipe: names how results are computed; another recipe never sees this one's results.
    """

    def __init__(self, path: Path, recipe: str) -> None:
        self._path = path
        self._recipe = recipe

    def map(self, texts: Sequence[str], compute: Callable[[list[str]], list[bytes]]) -> list[bytes]:
        """Return one result per text, computing only those of texts not seen before.

        Args:
            texts: may repeat.
            compute: called once at most, with the different new texts; returns their results in order.
        """
        digests = [
            hashlib.sha256(f"{self._recipe}\0{text}".encode("utf-8", "surrogatepass")).digest() for text in texts
        ]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path, timeout=60)) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS results (digest BLOB PRIMARY KEY, result BLOB NOT NULL)")
            known = _known(connection, digests)
        missing = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in known}
        if missing:
            computed = dict(zip(missing, compute(list(missing.values())), strict=True))
            with closing(sqlite3.connect(self._path, timeout=60)) as connection, connection:
                connection.executemany("INSERT OR REPLACE INTO results VALUES (?, ?)", computed.items())
            known |= computed
        return [known[digest] for digest in digests]


def _known(connection: sqlite3.Connection, digests: Sequence[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    wanted = list(dict.fromkeys(digests))
    for start in range(0, len(wanted), _SQL_VARIABLES):
        part = wanted[start : start + _SQL_VARIABLES]
        marks = ",".join("?" * len(part))
        found.update(connection.execute(f"SELECT digest, result FROM results WHERE digest IN ({marks})", part))  # noqa: S608
    return found
