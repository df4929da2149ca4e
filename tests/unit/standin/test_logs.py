"""Logs stay small and say why a process ended."""

from pathlib import Path

import pytest

from serving.standin.logs import last_error, open_log, rotate


def test_a_large_log_is_rotated_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "sentiment.log"
    with open_log(log) as writer:
        for generation in range(6):
            writer.write(f"generation {generation}".encode())
            writer.flush()
            rotate(log, max_bytes=5)
        writer.write(b"now")
        writer.flush()
        assert log.read_bytes() == b"now"
    kept = {path.name: path.read_text() for path in log.parent.iterdir() if path != log}
    assert kept == {f"sentiment.log.{number}": f"generation {6 - number}" for number in (1, 2, 3)}


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("few words")
    rotate(log)
    rotate(tmp_path / "missing.log")
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("loading\nError: No model.\n  Train one.\n", "No model. Train one."),
        ("Traceback\nValueError: bad\n", "ValueError: bad"),
        ("", ""),
    ],
)
def test_the_reason_of_an_end_is_what_the_process_said_last(tmp_path: Path, said: str, error: str) -> None:
    log = tmp_path / "a.log"
    before = "Error: of an earlier run\n"
    log.write_text(before + said)
    assert last_error(log, len(before)) == error


def test_a_log_rotated_meanwhile_is_read_to_its_end(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("Error: short\n")
    assert last_error(log, 10_000_000) == ""
