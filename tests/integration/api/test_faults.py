"""What breaks, and what goes on: killed predictors, a killed API, a full disk, a slow sender."""

import resource
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.integration

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "recommender": ("/api/ml/recommendations", {"user_id": "196", "limit": 2}),
    "sentiment": ("/api/ml/sentiment", {"items": [{"id": "1", "text": "a good film"}]}),
    "moderation": ("/api/ml/moderation", {"items": [{"id": "1", "text": "a good film"}]}),
}


class Callers:
    """Call all endpoints without a pause, as backends do, and note what they get."""

    def __init__(self, url: str) -> None:
        self.answers: dict[str, list[httpx.Response]] = {name: [] for name in (*REQUESTS, "feedback")}
        self.acknowledged: list[str] = []
        self._run = uuid.uuid4().hex
        self._sent = 0
        self.broken: list[httpx.TransportError] = []
        self._url = url
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(name,)) for name in self.answers]

    def _ask(self, name: str) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            while not self._enough.is_set():
                try:
                    self._ask_once(client, name)
                except httpx.TransportError as error:
                    self.broken.append(error)
                time.sleep(0.002)

    def _ask_once(self, client: httpx.Client, name: str) -> None:
        if name != "feedback":
            path, body = REQUESTS[name]
            self.answers[name].append(client.post(path, json=body))
            return
        self._sent += 1
        event_id = f"{self._run}-{self._sent}"
        event = {"request_id": "r1", "type": "click", "item_ids": ["a"], "event_id": event_id}
        answer = client.post("/api/ml/feedback", json=event)
        self.answers["feedback"].append(answer)
        if answer.status_code == 202:
            self.acknowledged.append(event_id)

    @contextmanager
    def calling(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._enough.set()
            for thread in self._threads:
                thread.join()


@pytest.mark.parametrize("victim", list(REQUESTS))
def test_a_killed_predictor_takes_only_its_own_endpoint_away_and_comes_back(
    platform: Any, client: httpx.Client, victim: str
) -> None:
    path, body = REQUESTS[victim]
    callers = Callers(platform.url)
    with callers.calling():
        time.sleep(0.3)
        killed = platform.predictor(victim)
        killed.kill()
        died = time.monotonic()
        platform.until(lambda: client.post(path, json=body).status_code == 503)
        platform.until(lambda: client.post(path, json=body).status_code == 200)
        assert time.monotonic() - died < 20
        assert platform.predictor(victim).pid != killed.pid
        time.sleep(0.3)
    statuses = {name: {answer.status_code for answer in answers} for name, answers in callers.answers.items()}
    others = {name for name in REQUESTS if name != victim}
    assert statuses == {victim: {200, 503}, **{name: {200} for name in others}, "feedback": {202}}
    refusals = [answer for answer in callers.answers[victim] if answer.status_code == 503]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refusals)
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in refusals)
    assert set(callers.acknowledged) <= {event["event_id"] for event in platform.events()}
    assert not callers.broken


def test_a_killed_api_loses_no_acknowledged_event_and_is_started_again(platform: Any, client: httpx.Client) -> None:
    before = len(platform.events())
    callers = Callers(platform.url)
    with callers.calling():
        platform.until(lambda: len(callers.acknowledged) > 20)
        killed = platform.api()
        killed.kill()
        known = len(callers.acknowledged)
        platform.until(lambda: len(callers.acknowledged) > known + 20)
    assert platform.api().pid != killed.pid
    stored = [event["event_id"] for event in platform.events()]
    assert len(stored) > before
    assert set(callers.acknowledged) <= set(stored)
    assert {answer.status_code for answer in callers.answers["feedback"]} == {202}
    assert 1 <= len(callers.broken) <= len(callers.answers), "only what was under way broke; the rest waited"


def test_an_event_sent_again_is_stored_once_even_after_a_restart(platform: Any, client: httpx.Client) -> None:
    event = {"request_id": "r1", "type": "dismiss", "item_ids": ["b"], "event_id": "once"}
    assert client.post("/api/ml/feedback", json=event).json()["duplicate"] is False
    platform.api().kill()
    platform.until(lambda: _answers(client))
    assert client.post("/api/ml/feedback", json=event).json()["duplicate"] is True
    assert client.post("/api/ml/feedback", json={**event, "item_ids": ["c"]}).status_code == 409
    assert [item["event_id"] for item in platform.events()].count("once") == 1


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        return False


def test_a_full_disk_refuses_events_keeps_what_was_accepted_and_leaves_models_alone(
    platform: Any, client: httpx.Client
) -> None:
    def send(number: int) -> httpx.Response:
        event = {"request_id": "full", "type": "click", "item_ids": ["a" * 100], "event_id": f"full-{number}"}
        return client.post("/api/ml/feedback", json=event)

    assert send(0).status_code == 202
    api = platform.api()
    (_, hard) = api.rlimit(resource.RLIMIT_FSIZE)
    (newest,) = {path.stat().st_size for path in (platform.settings.events / "feedback").glob(f"*-{api.pid}.jsonl")}
    api.rlimit(resource.RLIMIT_FSIZE, (newest + 500, hard))
    try:
        answers = {number: send(number) for number in range(1, 11)}
        assert client.get("/api/ml/recommendations", params={"user_id": "196"}).status_code == 200
    finally:
        api.rlimit(resource.RLIMIT_FSIZE, (hard, hard))
    refused = {number for number, answer in answers.items() if answer.status_code == 507}
    assert refused
    assert all(answers[number].headers["retry-after"] for number in refused)
    assert all(send(number).json()["duplicate"] is (number not in refused) for number in range(11))
    stored = [event["event_id"] for event in platform.events() if event["request_id"] == "full"]
    assert sorted(stored) == sorted(f"full-{number}" for number in range(11))


def test_a_sender_of_ten_megabytes_is_told_so(client: httpx.Client) -> None:
    body = b'{"items": [{"id": "1", "text": "' + b"a" * 10_000_000 + b'"}]}'
    answer = client.post("/api/ml/sentiment", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert "2097152 bytes" in answer.json()["detail"]
    chunks = (b" " * 65536 for _ in range(160))
    answer = client.post("/api/ml/sentiment", content=chunks, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert client.get("/healthz").is_success


def test_a_client_that_announces_too_much_is_answered_before_it_sends(platform: Any) -> None:
    host, port = platform.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = (
            "POST /api/ml/sentiment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
        )
        connection.sendall(head.format(10**12).encode())
        assert b" 413 " in connection.recv(4096)


def test_memory_stays_small_whatever_is_sent(platform: Any, client: httpx.Client) -> None:
    api = platform.api()
    before = api.memory_info().rss
    body = b"[" * 30_000_000
    for _ in range(3):
        client.post("/api/ml/moderation", content=body, headers={"content-type": "application/json"})
    assert api.memory_info().rss - before < 20e6


def test_deep_nesting_is_refused(client: httpx.Client) -> None:
    body = b'{"items":' + b"[" * 100_000
    answer = client.post("/api/ml/moderation", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_the_api_is_small(platform: Any) -> None:
    assert platform.api().memory_info().rss < 120e6
