"""Reading journals as they grow, with everything that may lie in their directory."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mediareview.settings import Settings
from serving.api.journal import MAX_AGE_S
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import Candidate, Rollout
from serving.rollouts.sources.events import RolloutEvents
from serving.rollouts.sources.journals import LONGEST_FILE_S, JournalTail

T0 = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def name(moment: datetime, pid: int = 7) -> str:
    return f"{moment:%Y%m%dT%H%M%S.%fZ}-{pid}.jsonl"


def test_each_line_is_read_once_and_half_a_line_when_it_is_whole(tmp_path: Path) -> None:
    tail = JournalTail(tmp_path / "none yet", T0)
    assert list(tail.lines()) == []
    path = tmp_path / "none yet" / name(T0)
    path.parent.mkdir()
    path.write_bytes(b"one\ntwo\nthr")
    assert list(tail.lines()) == [b"one", b"two"]
    with path.open("ab") as file:
        file.write(b"ee\n\nfour\n")
    assert list(tail.lines()) == [b"three", b"four"]
    assert list(tail.lines()) == []


def test_lines_longer_than_what_is_read_at_once_stay_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.rollouts.sources.journals._CHUNK_BYTES", 5)
    lines = [b"a" * length for length in (1, 4, 5, 6, 17)]
    (tmp_path / name(T0)).write_bytes(b"\n".join(lines) + b"\n")
    tail = JournalTail(tmp_path, T0)
    assert list(tail.lines()) == lines
    assert list(tail.lines()) == []


def test_a_reader_that_stops_half_way_goes_on_where_it_stopped(tmp_path: Path) -> None:
    (tmp_path / name(T0)).write_bytes(b"one\ntwo\nthree\n")
    tail = JournalTail(tmp_path, T0)
    assert next(tail.lines()) == b"one"
    assert list(tail.lines()) == [b"two", b"three"]


def test_files_that_were_finished_before_are_left_out(tmp_path: Path) -> None:
    assert LONGEST_FILE_S >= MAX_AGE_S
    (tmp_path / name(T0 - timedelta(hours=2))).write_bytes(b"old\n")
    (tmp_path / name(T0 - timedelta(minutes=50))).write_bytes(b"may go on\n")
    (tmp_path / name(T0 + timedelta(minutes=5))).write_bytes(b"new\n")
    (tmp_path / "by hand.jsonl").write_bytes(b"of unknown age\n")
    assert list(JournalTail(tmp_path, T0).lines()) == [b"may go on", b"new", b"of unknown age"]


def test_files_that_were_begun_later_are_left_out(tmp_path: Path) -> None:
    for minute in range(5):
        (tmp_path / name(T0 + timedelta(minutes=minute))).write_bytes(f"{minute}\n".encode())
    assert list(JournalTail(tmp_path, T0, until=T0 + timedelta(minutes=1, seconds=5)).lines()) == [b"0", b"1"]


def test_of_very_much_only_the_newest_is_read(tmp_path: Path) -> None:
    for minute in range(5):
        (tmp_path / name(T0 + timedelta(minutes=minute))).write_bytes(f"{minute:07d}\n".encode())
    assert list(JournalTail(tmp_path, T0, max_bytes=16).lines()) == [b"0000003", b"0000004"]


def test_a_file_that_is_taken_away_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / name(T0)
    path.write_bytes(b"one\n")
    tail = JournalTail(tmp_path, T0)
    assert list(tail.lines()) == [b"one"]
    path.unlink()
    assert list(tail.lines()) == []


def rollout() -> Rollout:
    candidate = Candidate(version="2", uri="file:///2", predictor="v2")
    return Rollout(
        id="exp", model="sentiment", candidate=candidate, stable_version="1", stable_predictor="stable", plan=Plan(),
        phase="running", traffic_percent=10, sequence=2, started_at=T0, changed_at=T0, reason="",
    )  # fmt: skip


def test_lines_that_are_no_events_are_counted_and_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(home=tmp_path)
    exposures = tmp_path / "events" / "exposures"
    exposures.mkdir(parents=True)
    good = {"experiment": "exp", "unit": "u", "variant": "v2", "propensity": 0.5, "request_id": "q",
            "model": "sentiment", "occurred_at": T0.isoformat()}  # fmt: skip
    bad = [b'{"experiment":"exp"', b"\xff\xfe exp", json.dumps({**good, "propensity": 7}).encode()]
    others = json.dumps({**good, "unit": "w", "experiment": "another"}).encode()
    lines = [*bad, others, json.dumps(good).encode()]
    (exposures / name(T0)).write_bytes(b"\n".join(lines) + b"\n")
    events = RolloutEvents(settings, rollout())
    events.read(T0 + timedelta(minutes=1))
    assert events.enrolled == {"canary": 1, "control": 0}
    assert events.skipped == 3
    assert caplog.text.count("is no event") == 1
