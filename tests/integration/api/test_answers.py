"""Real predictors behind the real API: what a backend gets."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.ingestion import ingest_file
from mediareview.lake import Lake

pytestmark = pytest.mark.integration


def test_all_models_are_ready(client: httpx.Client) -> None:
    predictors = client.get("/readyz").json()["predictors"]
    assert {model: state["version"] for model, state in predictors.items()} == {
        "recommender": "5",
        "sentiment": "3",
        "moderation": "7",
    }


def test_an_unknown_user_gets_a_labelled_fallback(client: httpx.Client) -> None:
    answer = client.get("/api/ml/recommendations", params={"user_id": "nobody", "limit": 2}).json()
    assert [item["title"] for item in answer["items"]] == ["Alien (1979)", "Brazil (1985)"]
    assert answer["fallback"] == "unknown_user"
    assert answer["user_id"] == "nobody"
    assert answer["model"] == {"name": "recommender", "version": "5", "variant": "stable"}


def test_a_visitor_is_not_shown_what_the_history_holds_or_is_excluded(client: httpx.Client) -> None:
    answer = client.post("/api/ml/recommendations", json={"history": ["a"], "exclude": ["b"]}).json()
    assert [item["media_id"] for item in answer["items"]] == ["c"]
    assert set(answer) == {"user_id", "items", "model", "request_id"}, "no fallback: the history says something"


def test_texts_are_judged_in_the_order_sent(client: httpx.Client) -> None:
    items = [{"id": f"r{number}", "text": "a good film" if number % 2 else "a dull film"} for number in range(64)]
    answer = client.post("/api/ml/sentiment", json={"items": items}).json()
    assert [item["id"] for item in answer["items"]] == [item["id"] for item in items]
    assert [item["label"] for item in answer["items"]] == ["negative", "positive"] * 32
    assert all(sum(item["scores"].values()) == pytest.approx(1) for item in answer["items"])


def test_moderation_answers_with_action_categories_and_reasons(client: httpx.Client) -> None:
    items = [{"id": "c1", "text": "hello", "author_id": "196"}, {"id": "c2", "text": "   "}]
    answer = client.post("/api/ml/moderation", json={"items": items}).json()
    assert set(answer["items"][0]) == {"id", "action", "categories", "reasons"}
    assert set(answer["items"][0]["categories"]) == {"spam", "abusive", "inappropriate"}
    assert answer["model"]["version"] == "7"


def test_the_largest_call_within_the_limits_is_answered(client: httpx.Client) -> None:
    items = [{"id": str(number), "text": "é" * 4096} for number in range(64)]
    body = json.dumps({"items": items})
    assert len(body) > 1.5 * 2**20, "escapes make it as long as it can be"
    answer = client.post("/api/ml/sentiment", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200


def test_recorded_events_are_ingested_without_a_dead_letter(
    client: httpx.Client, platform: Any, tmp_path: Path
) -> None:
    shown = client.get("/api/ml/recommendations", params={"user_id": "196"}, headers={"X-Request-ID": "shown-1"}).json()
    click = {"request_id": shown["request_id"], "type": "click", "user_id": "196", "item_ids": ["a"]}
    event_id = client.post("/api/ml/feedback", json=click).json()["event_id"]
    platform.until(lambda: any(event["request_id"] == "shown-1" for event in platform.events()))
    (path,) = (platform.settings.events / "feedback").glob("*.jsonl")
    summary = ingest_file(Lake(tmp_path.as_uri()), "feedback", path)
    assert summary.rows_in == summary.inserted > 1
    rows = Lake(tmp_path.as_uri()).read("feedback").to_pylist()
    (impression,) = [row for row in rows if row["type"] == "impression" and row["request_id"] == "shown-1"]
    assert impression["item_ids"] == ["a", "b", "c"]
    assert (impression["model"], impression["version"], impression["variant"]) == ("recommender", "5", "stable")
    assert event_id in {row["event_id"] for row in rows}
