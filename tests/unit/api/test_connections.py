"""Connections to predictors behind a Service, whose pods come and go."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mediareview.settings import Settings
from serving.api import calls, create_app

REQUEST = {"items": [{"id": "1", "text": "good"}]}
PREDICTION = {"label": "positive", "scores": {"negative": 0.0, "neutral": 0.0, "positive": 1.0}}


class Pods(ThreadingHTTPServer):
    """Answers as a predictor does, but goes away without an answer as often as it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.to_go_away = 0
        self.received = 0
        self.connections: set[Any] = set()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Pods

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.received += 1
        self.server.connections.add(self.client_address)
        if self.server.to_go_away > 0:
            self.server.to_go_away -= 1
            self.close_connection = True
            return
        body = json.dumps({"predictions": [PREDICTION]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def pods() -> Iterator[Pods]:
    with Pods() as pods:
        thread = threading.Thread(target=pods.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield pods
        pods.shutdown()
        thread.join()


@pytest.fixture
def client(tmp_path: Path, pods: Pods, predictors: Any) -> Iterator[TestClient]:
    predictors.at("sentiment", pods.url)
    with TestClient(create_app(Settings(home=tmp_path), predictors)) as client:
        yield client


def test_a_pod_that_goes_away_is_made_up_for_by_another(client: TestClient, pods: Pods) -> None:
    pods.to_go_away = 1
    assert client.post("/api/ml/sentiment", json=REQUEST).status_code == 200
    assert pods.received == 2


def test_a_request_that_takes_pods_away_is_not_sent_to_all(client: TestClient, pods: Pods) -> None:
    pods.to_go_away = 10
    answer = client.post("/api/ml/sentiment", json=REQUEST)
    assert (answer.status_code, pods.received) == (503, 2)
    assert answer.headers["retry-after"]


def test_connections_are_renewed_so_that_added_pods_get_their_share(
    client: TestClient, pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        client.post("/api/ml/sentiment", json=REQUEST)
    assert len(pods.connections) == 1
    monkeypatch.setattr(calls, "CALLS_PER_CONNECTION", 2)
    for _ in range(6):
        client.post("/api/ml/sentiment", json=REQUEST)
    assert len(pods.connections) > 2
