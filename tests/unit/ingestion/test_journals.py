"""The API's journals go into the lake as they are, once, however often they are ingested."""

import json
from pathlib import Path

import pytest

from components.ingestion import ReadOptions, ingest_file
from mediareview.contracts import Exposure, Record, ServedAnswer
from mediareview.lake import Lake

MOMENT = "2026-11-20T12:00:00Z"
SHARED = {"request_id": "q", "experiment": "e", "unit": "u", "model": "sentiment", "occurred_at": MOMENT}
EXPOSURE = {**SHARED, "variant": "v2", "propensity": 0.5}
ANSWER = {**SHARED, "variant": "v2", "answered_by": "stable", "version": "1", "item_ids": ["a", "b"],
          "labels": ["positive", "neutral"], "scores": [0.9, 0.5]}  # fmt: skip


def write(directory: Path, name: str, *lines: str) -> None:
    directory.mkdir(exist_ok=True)
    with (directory / name).open("a") as file:
        file.write("".join(lines))


@pytest.mark.parametrize(("contract", "event"), [(Exposure, EXPOSURE), (ServedAnswer, ANSWER)])
def test_a_journal_is_ingested_as_it_grows(
    lake: Lake, tmp_path: Path, contract: type[Record], event: dict[str, object]
) -> None:
    journal = tmp_path / "journal"
    lines = [json.dumps({**event, "request_id": f"q{number}"}) + "\n" for number in range(4)]
    write(journal, "20261120T120000.000000Z-1.jsonl", *lines[:2])
    write(journal, "20261120T130000.000000Z-1.jsonl", "not an event\n", lines[2], lines[3][:20])
    first = ingest_file(lake, contract.table, journal, options=ReadOptions())
    assert (first.inserted, first.dead) == (3, 1)
    write(journal, "20261120T130000.000000Z-1.jsonl", lines[3][20:])
    second = ingest_file(lake, contract.table, journal, options=ReadOptions())
    assert (second.inserted, second.unchanged, second.dead) == (1, 3, 1)
    rows = lake.read(contract.table).sort_by("request_id").to_pylist()
    assert [row["request_id"] for row in rows] == ["q0", "q1", "q2", "q3"]
    assert {key: rows[0][key] for key in event if key not in ("occurred_at", "request_id")} == {
        key: value for key, value in event.items() if key not in ("occurred_at", "request_id")
    }
