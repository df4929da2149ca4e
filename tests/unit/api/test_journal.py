"""Files of the event journal, as several writers and restarts leave them."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from serving.api import journal
from serving.api.journal import Journal


def test_two_writers_never_share_a_file(tmp_path: Path) -> None:
    """In containers all have the same process id."""
    one, two = Journal(tmp_path), Journal(tmp_path)
    for number in range(3):
        one.write(b"one %d\n" % number)
        two.write(b"two %d\n" % number)
    contents = sorted(path.read_bytes() for path in one.files())
    assert contents == [b"one 0\none 1\none 2\n", b"two 0\ntwo 1\ntwo 2\n"]


def test_a_name_that_is_taken_is_refused_and_not_appended_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Stopped":
            return cls(2026, 1, 1, tzinfo=tz)

    monkeypatch.setattr(journal, "datetime", Stopped)
    one, two = Journal(tmp_path), Journal(tmp_path)
    one.write(b"one\n")
    with pytest.raises(FileExistsError):
        two.write(b"two\n")
    (file,) = one.files()
    assert file.read_bytes() == b"one\n"


def test_half_a_line_of_a_crash_is_cut_off_and_files_in_use_are_left_alone(tmp_path: Path) -> None:
    crashed = tmp_path / "20250101T000000.000000Z-1.jsonl"
    crashed.write_bytes(b"whole\nhal")
    writer = Journal(tmp_path)
    writer.write(b"new\n")
    os.write(writer._fd, b"being writ")
    assert Journal(tmp_path).repair() == 1
    assert [path.read_bytes() for path in writer.files()] == [b"whole\n", b"new\nbeing writ"]
