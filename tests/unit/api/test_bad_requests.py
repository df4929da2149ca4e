"""Mistakes of callers: each gets a problem document that says what to do, and reaches no predictor."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.api.limits import MAX_BODY_BYTES

ITEM = {"id": "1", "text": "a good film"}
EVENT = {"request_id": "r1", "type": "click", "item_ids": ["50"]}


def problem(answer: Any, status: int, slug: str) -> dict[str, Any]:
    """Return the problem document of an answer that must be one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"urn:mediareview:problem:{slug}"
    assert document["status"] == status
    assert document["request_id"] == answer.headers["x-request-id"]
    assert document["title"]
    assert document["detail"]
    return document


def post(client: TestClient, path: str, body: Any) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(path, content=content, headers={"content-type": "application/json"})


@pytest.mark.parametrize(
    ("body", "pointer", "says"),
    [
        ({}, "#/items", "required"),
        ([], "#", "dictionary"),
        ({"items": []}, "#/items", "at least 1"),
        ({"items": [{**ITEM, "id": str(n)} for n in range(65)]}, "#/items", "at most 64"),
        ({"items": [ITEM, {**ITEM, "text": "x"}]}, "#/items", "items 0 and 1 have the same id"),
        ({"items": [{"id": "1"}]}, "#/items/0/text", "required"),
        ({"items": [{"id": "1", "text": ""}]}, "#/items/0/text", "at least 1"),
        ({"items": [{"id": "1", "text": None}]}, "#/items/0/text", "valid string"),
        ({"items": [{"id": "1", "text": "a\x00b"}]}, "#/items/0/text", "NUL"),
        ({"items": [{"id": "1", "text": "x" * 8193}]}, "#/items/0/text", "8193 bytes"),
        ({"items": [{"id": "1", "text": "é" * 4097}]}, "#/items/0/text", "8194 bytes"),
        ({"items": [{"id": "", "text": "x"}]}, "#/items/0/id", "at least 1"),
        ({"items": [{"id": 7, "text": "x"}]}, "#/items/0/id", "valid string"),
        ({"items": [{"id": "a\nb", "text": "x"}]}, "#/items/0/id", "pattern"),
        ({"items": [{"id": "x" * 257, "text": "x"}]}, "#/items/0/id", "at most 256"),
        ({"items": [ITEM], "lang": "en"}, "#/lang", "not permitted"),
        ({"items": [{**ITEM, "a/b~c": 1}]}, "#/items/0/a~1b~0c", "not permitted"),
    ],
)
@pytest.mark.parametrize("path", ["/api/ml/sentiment", "/api/ml/moderation"])
def test_texts_that_do_not_fit(
    client: TestClient, predictors: Any, path: str, body: Any, pointer: str, says: str
) -> None:
    document = problem(post(client, path, body), 422, "invalid-request")
    (error,) = document["errors"]
    assert error["pointer"] == pointer
    assert says in error["detail"]
    assert says in document["detail"]
    assert not predictors.requests


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "user_id"),
        ("user_id=", "user_id"),
        ("user_id=a%00b", "user_id"),
        ("user_id=%ED%A0%80", "user_id"),
        ("user_id=%FF", "user_id"),
        ("user_id=196&limit=0", "limit"),
        ("user_id=196&limit=101", "limit"),
        ("user_id=196&limit=ten", "limit"),
        ("user_id=196&limit=NaN", "limit"),
        ("user_id=196&page=2", "page"),
    ],
)
def test_queries_that_do_not_fit(client: TestClient, predictors: Any, query: str, parameter: str) -> None:
    document = problem(client.get(f"/api/ml/recommendations?{query}"), 422, "invalid-request")
    assert [error["parameter"] for error in document["errors"]] == [parameter]
    assert not predictors.requests


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"history": ["a"] * 1001}, "#/history"),
        ({"history": [1]}, "#/history/0"),
        ({"history": "a"}, "#/history"),
        ({"history": [""]}, "#/history/0"),
        ({"history": ["a"], "limit": True}, "#/limit"),
        ({"history": ["a"], "limit": "5"}, "#/limit"),
        ({"history": ["a"], "limit": 10**30}, "#/limit"),
        ({"history": ["a"], "exclude": ["b"] * 10_001}, "#/exclude"),
    ],
)
def test_histories_that_do_not_fit(client: TestClient, body: Any, pointer: str) -> None:
    document = problem(post(client, "/api/ml/recommendations", body), 422, "invalid-request")
    assert [error["pointer"] for error in document["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"type": "like"}, "#/type"),
        ({"item_ids": []}, "#/item_ids"),
        ({"item_ids": ["x"] * 1001}, "#/item_ids"),
        ({"request_id": ""}, "#/request_id"),
        ({"rating": 6}, "#/rating"),
        ({"type": "rating"}, "#"),
        ({"type": "label"}, "#"),
        ({"label": "x" * 257}, "#/label"),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, "#/occurred_at"),
        ({"occurred_at": "1969-01-01T00:00:00Z"}, "#/occurred_at"),
        ({"occurred_at": "yesterday"}, "#/occurred_at"),
        ({"occurred_at": "2026-01-01"}, "#/occurred_at"),
        ({"occurred_at": 1700000000}, "#/occurred_at"),
        ({"event_id": "a\x00"}, "#/event_id"),
        ({"source": "me"}, "#/source"),
    ],
)
def test_feedback_that_does_not_fit(client: TestClient, change: dict[str, Any], pointer: str, events: Any) -> None:
    document = problem(post(client, "/api/ml/feedback", {**EVENT, **change}), 422, "invalid-request")
    assert [error["pointer"] for error in document["errors"]] == [pointer]
    assert not events()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b"{", "line 1 column"),
        (b'{"items": [\n  nope]}', "line 2 column 3"),
        (b'{"items": [{"id": "1", "text": NaN}]}', "valid JSON"),
        (b'{"items": [{"id": "1", "text": Infinity}]}', "valid JSON"),
        (b'{"items": [{"id": "1", "text": "\\ud800"}]}', "valid JSON"),
        (b'{"items": [{"id": "1", "text": "\xff"}]}', "valid JSON"),
        ('{"items": [{"id": "1", "text": "x"}]}'.encode("utf-16"), "valid JSON"),
        (b"[" * 100_000, "valid JSON"),
        (b'{"items": []} {}', "valid JSON"),
    ],
)
@pytest.mark.parametrize("path", ["/api/ml/sentiment", "/api/ml/recommendations", "/api/ml/feedback"])
def test_bodies_that_are_no_json(client: TestClient, path: str, body: bytes, says: str) -> None:
    assert says in problem(post(client, path, body), 400, "invalid-json")["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_bodies_of_another_type(client: TestClient, headers: dict[str, str]) -> None:
    body = json.dumps({"items": [ITEM]}).encode()
    answer = client.post("/api/ml/sentiment", content=body, headers=headers)
    assert "Send" in problem(answer, 415, "unsupported-media-type")["detail"]


def test_the_media_type_may_have_parameters_and_any_case(client: TestClient) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    body = json.dumps({"items": [ITEM]}).encode()
    assert client.post("/api/ml/sentiment", content=body, headers=headers).status_code == 200


def test_a_body_up_to_the_limit_is_read_and_no_further(client: TestClient) -> None:
    body = json.dumps({"items": [ITEM]}).encode()
    assert post(client, "/api/ml/sentiment", body.ljust(MAX_BODY_BYTES)).status_code == 200
    document = problem(post(client, "/api/ml/sentiment", body.ljust(MAX_BODY_BYTES + 1)), 413, "body-too-large")
    assert f"{MAX_BODY_BYTES} bytes" in document["detail"]


def test_many_mistakes_are_all_named_up_to_a_number(client: TestClient) -> None:
    body = {"items": [{"id": str(number)} for number in range(30)]}
    document = problem(post(client, "/api/ml/sentiment", body), 422, "invalid-request")
    assert len(document["errors"]) == 20
    assert "29 more" in document["detail"]


def test_what_was_sent_is_not_repeated_in_the_problem(client: TestClient) -> None:
    secret = "my password is swordfish\x00"
    answer = post(client, "/api/ml/moderation", {"items": [{"id": "1", "text": secret}]})
    assert "swordfish" not in answer.text


@pytest.mark.parametrize("path", ["/", "/nope", "/api/ml", "/api/ml/sentiment/", "/docs", "/api/ml/%00"])
def test_unknown_paths(client: TestClient, path: str) -> None:
    assert "/openapi.json" in problem(client.get(path), 404, "not-found")["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/api/ml/recommendations", {"GET", "POST"}),
        ("GET", "/api/ml/sentiment", {"POST"}),
        ("POST", "/healthz", {"GET"}),
        ("BREW", "/api/ml/feedback", {"POST"}),
        ("POST", "/openapi.json", {"GET"}),
    ],
)
def test_methods_that_are_not_allowed(client: TestClient, method: str, path: str, allow: set[str]) -> None:
    answer = client.request(method, path)
    problem(answer, 405, "method-not-allowed")
    assert set(answer.headers["allow"].split(", ")) == allow
