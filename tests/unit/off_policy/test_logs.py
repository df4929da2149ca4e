import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from mediareview.contracts import Feedback, ServedAnswer
from mediareview.lake import Lake
from mediareview.settings import Settings
from serving.off_policy import read_log

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def answer(request: str, unit: str = "u1", propensities: Sequence[float] = (0.9, 0.1), **changed: Any) -> ServedAnswer:
    return ServedAnswer(
        **{
            "request_id": request,
            "experiment": "exploration",
            "unit": unit,
            "model": "recommender",
            "variant": "stable",
            "answered_by": "stable",
            "version": "1",
            "item_ids": ["a", "b"],
            "propensities": list(propensities),
            "occurred_at": NOW,
            **changed,
        }
    )


def feedback(request: str, type: str, items: list[str], user: str | None = "u1") -> Feedback:
    return Feedback(
        event_id=f"{request}-{type}", request_id=request, type=type, occurred_at=NOW, user_id=user, item_ids=items
    )


def write(home: Path, table: str, *records: ServedAnswer | Feedback, tail: str = "") -> Settings:
    directory = home / "events" / table
    directory.mkdir(parents=True, exist_ok=True)
    lines = "".join(record.model_dump_json() + "\n" for record in records)
    (directory / f"{len(list(directory.iterdir()))}.jsonl").write_text(lines + tail)
    return Settings(home=home)


def test_answers_are_joined_to_their_user_and_clicks(tmp_path: Path) -> None:
    write(tmp_path, "answers", answer("r1"), answer("r2", unit="u2"))
    settings = write(
        tmp_path,
        "feedback",
        feedback("r1", "impression", ["a", "b"]),
        feedback("r2", "impression", ["a", "b"], "u2"),
        feedback("r2", "click", ["b"], "u2"),
        feedback("r9", "click", ["b"]),
    )
    log = read_log(settings)
    assert [(item.user_id, item.shown, item.propensities, set(item.clicked)) for item in log.answers] == [
        ("u1", ("a", "b"), (0.9, 0.1), set()),
        ("u2", ("a", "b"), (0.9, 0.1), {"b"}),
    ]


def test_what_cannot_be_learned_from_is_counted(tmp_path: Path) -> None:
    write(
        tmp_path,
        "answers",
        answer("fixed", propensities=()),
        answer("visitor", unit="visitor-1"),
        answer("text", model="sentiment", propensities=()),
        answer("known"),
    )
    settings = write(
        tmp_path,
        "feedback",
        feedback("visitor", "impression", ["a", "b"], None),
        feedback("known", "impression", ["a", "b"]),
    )
    log = read_log(settings)
    assert (len(log.answers), log.not_randomised, log.anonymous) == (1, 1, 1)


def test_half_lines_and_foreign_lines_are_skipped(tmp_path: Path) -> None:
    write(tmp_path, "answers", answer("r1"), tail='[1]\n{"model": "recomm')
    settings = write(tmp_path, "feedback", feedback("r1", "impression", ["a", "b"]), tail="{}\n")
    assert len(read_log(settings).answers) == 1


def test_what_is_in_the_lake_and_in_the_stream_counts_once(tmp_path: Path) -> None:
    write(tmp_path, "answers", answer("r1"))
    settings = write(tmp_path, "feedback", feedback("r1", "impression", ["a", "b"]))
    lake = Lake.from_settings(settings)
    lake.append("answers", pa.Table.from_pylist([answer("r1").model_dump(), answer("r0", unit="u0").model_dump()]))
    lake.append(
        "feedback",
        pa.Table.from_pylist([json.loads(feedback("r0", "impression", ["a"], "u0").model_dump_json())])
        .drop_columns("occurred_at")
        .append_column("occurred_at", pa.array([NOW])),
    )
    assert [item.user_id for item in read_log(settings).answers] == ["u0", "u1"]
    assert read_log(settings, since=NOW + timedelta(hours=1)).answers == []


def test_nothing_logged_is_an_empty_log(tmp_path: Path) -> None:
    assert read_log(Settings(home=tmp_path)).answers == []
