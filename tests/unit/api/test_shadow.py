"""Shadow mode: copies reach the candidate, and nobody who asks can tell."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from mediareview.contracts import ShadowComparison
from mediareview.settings import Settings
from serving.api import create_app, shadow
from serving.experiments import Experiment
from serving.experiments.assignment import position

Events = Callable[..., list[dict[str, Any]]]

EXPERIMENT = Experiment("s1", "shadow", "stable", "v4", 100, 50)
HALF = Experiment("s1", "shadow", "stable", "v4", 50, 50)


def ask(client: TestClient, *texts: str, request_id: str = "r1", **more: str) -> Any:
    items = [{"id": str(place), "text": text} for place, text in enumerate(texts or ("a good film",))]
    return client.post("/api/ml/sentiment", json={"items": items, **more}, headers={"X-Request-ID": request_id})


def until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.01)


def other(instance: dict[str, Any]) -> dict[str, Any]:
    return {"label": "positive", "scores": {"negative": 0.0, "neutral": 0.25, "positive": 0.75}}


def test_the_stable_variant_answers_and_the_candidate_is_compared(
    settings: Settings, predictors: Any, events: Events
) -> None:
    predictors.models["sentiment/canary"] = other
    with TestClient(create_app(settings, predictors)) as client:
        plain = ask(client, "a good film", "a dull film").json()
        predictors.split("sentiment", EXPERIMENT, None)
        predictors.split("sentiment", EXPERIMENT)
        answer = ask(client, "a good film", "a dull film", user_id="u1")
        assert answer.json() == plain
        assert "x-visitor" not in ask(client, request_id="r2").headers
        until(lambda: "shadow_agreement_count" in client.get("/metrics").text)
        until(lambda: predictors.asked().count("sentiment/canary") == 2)
        until(lambda: 'shadow_agreement_count{model="sentiment",version="4"} 2.0' in client.get("/metrics").text)
    rows = {row["request_id"]: ShadowComparison.model_validate(row) for row in events("shadow")}
    assert (rows["r1"].experiment, rows["r1"].model, rows["r1"].version) == ("s1", "sentiment", "4")
    assert rows["r1"].agreement == 0.5
    assert rows["r1"].score_difference == pytest.approx((0.25 + 0 + 0.25) / 3)
    assert rows["r2"].agreement == 1.0
    assert events("exposures") == events("answers") == []


def test_recommendations_are_compared_by_the_titles_they_share(
    settings: Settings, predictors: Any, events: Events
) -> None:
    def others(instance: dict[str, Any]) -> dict[str, Any]:
        return {"items": [{"media_id": name, "title": name, "score": 1.0} for name in ("1", "9", "0", "8")]}

    predictors.models["recommender/canary"] = others
    predictors.split("recommender", EXPERIMENT)
    with TestClient(create_app(settings, predictors)) as client:
        assert len(client.get("/api/ml/recommendations?user_id=u1&limit=4").json()["items"]) == 3
        until(lambda: "shadow_agreement_count" in client.get("/metrics").text)
    (row,) = events("shadow")
    assert row["agreement"] == 0.5
    assert "score_difference" not in row


def test_moderation_is_compared_by_its_actions(settings: Settings, predictors: Any, events: Events) -> None:
    predictors.split("moderation", EXPERIMENT)
    with TestClient(create_app(settings, predictors)) as client:
        client.post("/api/ml/moderation", json={"items": [{"id": "1", "text": "x", "author_id": "a"}]})
        until(lambda: "shadow_agreement_count" in client.get("/metrics").text)
    (row,) = events("shadow")
    assert (row["agreement"], row["score_difference"]) == (1.0, 0.0)


def test_the_declared_share_of_the_requests_is_copied(client: TestClient, predictors: Any) -> None:
    predictors.split("sentiment", HALF)
    ids = [f"r{number}" for number in range(40)]
    for request_id in ids:
        ask(client, request_id=request_id)
        expected = sum(position("s1", past) < 50 for past in ids[: ids.index(request_id) + 1])
        until(lambda expected=expected: predictors.asked().count("sentiment/canary") == expected)  # type: ignore[misc]
    copied = {headers["x-request-id"] for name, headers, _ in predictors.requests if name == "sentiment/canary"}
    assert copied == {request_id for request_id in ids if position("s1", request_id) < 50}


def test_a_slow_candidate_delays_nothing_and_copies_beyond_a_number_are_dropped(
    client: TestClient, predictors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow, "MAX_COPIES", 2)
    predictors.delays_s = {"sentiment/canary": 60.0}
    predictors.split("sentiment", EXPERIMENT)
    for number in range(5):
        assert ask(client, request_id=f"r{number}").status_code == 200
    dropped = 'shadow_not_compared_total{model="sentiment",reason="dropped",version="4"} 3.0'
    until(lambda: dropped in client.get("/metrics").text)


def test_a_candidate_that_is_too_slow_or_broken_counts_as_failed(tmp_path: Path, predictors: Any) -> None:
    predictors.delays_s = {"sentiment/canary": 60.0}
    predictors.split("sentiment", EXPERIMENT)
    predictors.answers["moderation/canary"] = JSONResponse({}, 500)
    predictors.split("moderation", EXPERIMENT)
    predictors.split("recommender", EXPERIMENT, None)
    with TestClient(create_app(Settings(home=tmp_path, sentiment_timeout_s=0.4), predictors)) as client:
        assert ask(client).status_code == 200
        assert client.post("/api/ml/moderation", json={"items": [{"id": "1", "text": "x"}]}).status_code == 200
        assert client.get("/api/ml/recommendations?user_id=u1").status_code == 200
        for model in ("sentiment", "moderation", "recommender"):
            failed = f'shadow_not_compared_total{{model="{model}",reason="failed",version="4"}} 1.0'
            until(lambda failed=failed: failed in client.get("/metrics").text)  # type: ignore[misc]
        metrics = client.get("/metrics").text
    for model, outcome in (("sentiment", "timeout"), ("moderation", "failed"), ("recommender", "skipped")):
        series = f'predictor_seconds_count{{model="{model}",outcome="{outcome}",variant="v4",version="4"}} 1.0'
        assert series in metrics


def test_an_answer_that_is_a_problem_is_not_copied(client: TestClient, predictors: Any) -> None:
    predictors.split("sentiment", EXPERIMENT)
    predictors.answers["sentiment"] = JSONResponse({}, 500)
    assert ask(client).status_code == 502
    assert predictors.asked() == ["sentiment"]
