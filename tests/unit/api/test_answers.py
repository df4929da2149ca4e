"""Good requests: what the answers hold, and what the predictors are asked."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from mediareview.settings import Settings
from serving.api import create_app

Events = Callable[[], list[dict[str, Any]]]


def test_a_known_user_gets_titles_with_reasons(client: TestClient) -> None:
    answer = client.get("/api/ml/recommendations", params={"user_id": "196", "limit": 2})
    assert answer.json() == {
        "user_id": "196",
        "items": [
            {"media_id": "0", "title": "Alien (1979)", "score": 1.0, "reasons": ["popular"]},
            {"media_id": "1", "title": "Brazil (1985)", "score": 0.9, "reasons": ["popular"]},
        ],
        "model": {"name": "recommender", "version": "3", "variant": "stable"},
        "request_id": answer.headers["x-request-id"],
    }


def test_an_unknown_user_gets_a_labelled_fallback(client: TestClient) -> None:
    assert client.get("/api/ml/recommendations?user_id=nobody").json()["fallback"] == "unknown_user"


def test_a_visitor_is_recommended_to_by_history(client: TestClient, predictors: Any) -> None:
    body = {"history": ["50", "181"], "exclude": ["1"], "limit": 1}
    answer = client.post("/api/ml/recommendations", json=body).json()
    assert answer["user_id"] is None
    ((_, _, asked),) = predictors.requests
    assert asked == {"instances": [{"user_id": None, **body}]}


def test_sentiment_keeps_ids_and_order(client: TestClient, predictors: Any) -> None:
    items = [{"id": "b", "text": "a good film"}, {"id": "a", "text": "a dull film"}]
    answer = client.post("/api/ml/sentiment", json={"items": items}).json()
    scores = {"positive": 0.5, "neutral": 0.25, "negative": 0.25}
    assert answer["items"] == [
        {"id": "b", "label": "positive", "scores": scores},
        {"id": "a", "label": "negative", "scores": scores},
    ]
    assert answer["model"]["name"] == "sentiment"
    assert len(predictors.requests) == 1, "one call for all items"


def test_moderation_tells_the_predictor_the_author(client: TestClient) -> None:
    items = [{"id": "c1", "text": "hello", "author_id": "196"}]
    answer = client.post("/api/ml/moderation", json={"items": items}).json()
    assert answer["items"] == [
        {
            "id": "c1",
            "action": "review",
            "categories": {"spam": 0.125, "abusive": 0.75, "inappropriate": 0.0},
            "reasons": ["by 196"],
        }
    ]


def test_text_arrives_at_the_predictor_as_it_was_sent(client: TestClient, predictors: Any) -> None:
    text = ' \t<b>l33t</b> e\u0301 \u202e\U0001f600 \\ " \u2028 '
    client.post("/api/ml/sentiment", json={"items": [{"id": "1", "text": text}]})
    ((_, _, asked),) = predictors.requests
    assert asked["instances"] == [{"text": text}]


def test_the_version_is_that_of_the_predictor_that_answered(client: TestClient, predictors: Any) -> None:
    find = predictors.find
    predictors.find = lambda model: find(model)
    predictors.at("sentiment", predictors.url)
    predictors.version = "4"
    answer = client.post("/api/ml/sentiment", json={"items": [{"id": "1", "text": "x"}]}).json()
    assert answer["model"]["version"] == "4", "the objects still say 3: the new version is just taking over"


@pytest.mark.parametrize("sent", ["my-id_1.2:3", "x" * 128])
def test_a_request_id_is_kept_and_passed_on(client: TestClient, predictors: Any, sent: str) -> None:
    answer = client.get("/api/ml/recommendations?user_id=196", headers={"X-Request-ID": sent})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == sent
    ((_, headers, _),) = predictors.requests
    assert headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a\tb", "é", "<script>"])
def test_an_unfit_request_id_is_replaced(client: TestClient, sent: str) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": sent.encode()})
    assert answer.status_code == 200
    assert len(answer.headers["x-request-id"]) == 32


def test_recommendations_are_recorded_as_impressions(settings: Settings, predictors: Any, events: Events) -> None:
    with TestClient(create_app(settings, predictors)) as client:
        answer = client.get("/api/ml/recommendations?user_id=196&limit=2").json()
        client.get("/api/ml/recommendations?user_id=nobody&limit=1")
    first, second = events()
    assert {name: first[name] for name in first if name not in ("event_id", "occurred_at")} == {
        "request_id": answer["request_id"],
        "type": "impression",
        "user_id": "196",
        "item_ids": ["0", "1"],
        "model": "recommender",
        "version": "3",
        "variant": "stable",
        "source": "api",
    }
    assert (second["user_id"], second["item_ids"]) == ("nobody", ["0"])


def test_feedback_is_on_disk_when_it_is_accepted(client: TestClient, events: Events) -> None:
    event = {
        "request_id": "r1",
        "type": "rating",
        "event_id": "e1",
        "user_id": "196",
        "item_ids": ["50"],
        "rating": 4.5,
        "occurred_at": "2026-01-02T03:04:05+01:00",
    }
    answer = client.post("/api/ml/feedback", json=event)
    assert answer.status_code == 202
    assert answer.json() == {"event_id": "e1", "duplicate": False, "request_id": answer.headers["x-request-id"]}
    assert events() == [{**event, "occurred_at": "2026-01-02T02:04:05Z", "source": "api"}]


def test_feedback_without_an_id_gets_one(client: TestClient, events: Events) -> None:
    event = {"request_id": "r1", "type": "click", "item_ids": ["50"]}
    ids = [client.post("/api/ml/feedback", json=event).json()["event_id"] for _ in range(2)]
    assert [stored["event_id"] for stored in events()] == ids
    assert len(set(ids)) == 2


def test_feedback_sent_twice_is_stored_once(client: TestClient, events: Events) -> None:
    event = {"request_id": "r1", "type": "click", "item_ids": ["50"], "event_id": "e1"}
    assert [client.post("/api/ml/feedback", json=event).json()["duplicate"] for _ in range(3)] == [False, True, True]
    assert len(events()) == 1


def test_another_event_with_the_same_id_is_a_conflict(client: TestClient, events: Events) -> None:
    event = {"request_id": "r1", "type": "click", "item_ids": ["50"], "event_id": "e1"}
    client.post("/api/ml/feedback", json=event)
    answer = client.post("/api/ml/feedback", json={**event, "item_ids": ["51"]})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:mediareview:problem:event-conflict")
    assert len(events()) == 1


def test_ready_when_every_predictor_says_so(client: TestClient) -> None:
    state = {"ready": True, "version": "3", "reason": ""}
    models = ("recommender", "sentiment", "moderation")
    assert client.get("/readyz").json() == {"status": "ready", "predictors": dict.fromkeys(models, state)}
