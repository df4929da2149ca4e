"""Calls of predictors: from the API's own metrics over restarts, and from Prometheus."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from prometheus_client.exposition import generate_latest

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.api.metrics import ApiMetrics, Served
from serving.objects import ObjectDirectory
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import Candidate, Phase, Rollout
from serving.rollouts.sources import open_evidence
from serving.rollouts.sources.api_metrics import ApiCalls
from serving.rollouts.sources.prometheus import PrometheusCalls

T0 = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CANARY, STABLE = Served("sentiment", "2", "v2"), Served("sentiment", "1", "stable")


def rollout(phase: Phase = "running", identity: str = "exp", started_s: float = 0.0) -> Rollout:
    candidate = Candidate(version="2", uri="file:///2", predictor="v2")
    started = T0 + timedelta(seconds=started_s)
    return Rollout(
        id=identity, model="sentiment", candidate=candidate, stable_version="1", stable_predictor="stable",
        plan=Plan(), phase=phase, traffic_percent=10, sequence=2, started_at=started, changed_at=started, reason="",
    )  # fmt: skip


class Api:
    """The API's ``/metrics``, with the metrics of the API."""

    def __init__(self) -> None:
        self.url = ""
        self.restart()

    def restart(self) -> None:
        self.metrics = ApiMetrics()
        self._started = getattr(self, "_started", 1000) + 1

    def called(self, served: Served, outcome: str, times: int = 1, took_s: float = 0.02) -> None:
        for _ in range(times):
            self.metrics.predicted(served, outcome, took_s)

    def text(self) -> bytes:
        lines = generate_latest(self.metrics.registry).decode().splitlines()
        kept = [line for line in lines if not line.startswith("process_start_time_seconds")]
        return "\n".join([*kept, f"process_start_time_seconds {self._started}", ""]).encode()


@contextmanager
def answering(answer: Callable[[str], tuple[int, bytes]]) -> Iterator[str]:
    """A server that answers GET by path and POST by body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(answer(self.path))

        def do_POST(self) -> None:
            self._answer(answer(self.rfile.read(int(self.headers["Content-Length"])).decode()))

        def _answer(self, found: tuple[int, bytes]) -> None:
            self.send_response(found[0])
            self.send_header("Content-Length", str(len(found[1])))
            self.end_headers()
            self.wfile.write(found[1])

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    with answering(lambda path: (200, api.text()) if path == "/metrics" else (404, b"")) as url:
        api.url = url
        yield api


@pytest.fixture
def calls(api: Api, tmp_path: Path) -> ApiCalls:
    return ApiCalls(lambda: api.url, tmp_path / "calls.json", keep=True)


def test_answers_and_failures_are_told_apart_and_what_is_nobodys_fault_is_left_out(api: Api, calls: ApiCalls) -> None:
    api.called(CANARY, "ok", 3, took_s=0.02)
    api.called(CANARY, "ok", 1, took_s=0.7)
    for outcome in ("refused", "gone", "timeout", "failed", "overloaded", "cancelled"):
        api.called(CANARY, outcome)
    seen = calls.read([rollout()], T0)["exp"].since_start["canary"]
    assert (seen.answered, seen.failed, seen.total) == (4, 4, 8)
    assert (seen.latency[0.015], seen.latency[0.025], seen.latency[0.5], seen.latency[1.0]) == (0, 3, 3, 4)


def test_the_control_groups_calls_are_all_of_the_stable_version(api: Api, calls: ApiCalls) -> None:
    api.called(STABLE, "ok", 5)
    api.called(Served("moderation", "1", "stable"), "ok", 9)
    seen = calls.read([rollout()], T0)["exp"]
    assert seen.since_start["control"].total == 5
    assert seen.since_start["canary"].total == 0


def test_calls_before_the_rollout_do_not_count(api: Api, calls: ApiCalls) -> None:
    api.called(STABLE, "ok", 100)
    api.called(CANARY, "failed", 20)  # it was rolled out before, and failed
    calls.read([rollout("starting")], T0)
    api.called(STABLE, "ok", 3)
    api.called(CANARY, "ok", 2)
    seen = calls.read([rollout()], T0 + timedelta(seconds=5))["exp"]
    for found in (seen.since_start, seen.recent):
        assert (found["control"].total, found["canary"].answered, found["canary"].failed) == (3, 2, 0)


def test_recent_calls_are_those_of_the_last_minutes(api: Api, calls: ApiCalls) -> None:
    calls.read([rollout("starting")], T0)
    for second in range(0, 600, 10):
        api.called(CANARY, "ok")
        seen = calls.read([rollout()], T0 + timedelta(seconds=second))["exp"]
    assert seen.since_start["canary"].total == 60
    assert seen.recent["canary"].total == 12


def test_counting_goes_on_over_restarts_of_the_api(api: Api, calls: ApiCalls) -> None:
    calls.read([rollout("starting")], T0)
    api.called(CANARY, "ok", 4)
    calls.read([rollout()], T0 + timedelta(seconds=5))
    api.restart()
    api.called(CANARY, "ok", 6)  # more than before the restart: only the process tells that it is another
    seen = calls.read([rollout()], T0 + timedelta(seconds=10))["exp"]
    assert seen.since_start["canary"].total == 10


def test_a_restart_shows_in_lower_counters_where_the_process_does_not_tell(
    api: Api, calls: ApiCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.rollouts.sources.api_metrics._PROCESS_START", "of_another_system")
    calls.read([rollout("starting")], T0)
    api.called(CANARY, "ok", 4)
    calls.read([rollout()], T0 + timedelta(seconds=5))
    api.restart()
    api.called(CANARY, "ok", 3)
    assert calls.read([rollout()], T0 + timedelta(seconds=10))["exp"].since_start["canary"].total == 7


def test_whoever_comes_next_goes_on_counting(api: Api, calls: ApiCalls, tmp_path: Path) -> None:
    api.called(CANARY, "failed", 20)
    calls.read([rollout("starting")], T0)
    api.called(CANARY, "ok", 4)
    now = T0 + timedelta(seconds=5)
    for keep in (False, True):
        again = ApiCalls(lambda: api.url, tmp_path / "calls.json", keep=keep)
        found = again.read([rollout()], now)["exp"].since_start["canary"]
        assert (found.answered, found.failed) == (4, 0)


def test_a_reader_that_does_not_keep_the_history_leaves_it_alone(api: Api, calls: ApiCalls, tmp_path: Path) -> None:
    calls.read([], T0)
    kept = (tmp_path / "calls.json").read_bytes()
    api.called(CANARY, "ok", 4)
    ApiCalls(lambda: api.url, tmp_path / "calls.json", keep=False).read([rollout()], T0)
    assert (tmp_path / "calls.json").read_bytes() == kept


@pytest.mark.parametrize("content", [b"", b"{}", b'{"process": "x"}', b"\xff", b"[1]"])
def test_a_damaged_history_is_begun_anew(api: Api, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "calls.json").write_bytes(content)
    api.called(CANARY, "ok", 2)
    found = ApiCalls(lambda: api.url, tmp_path / "calls.json", keep=True).read([rollout()], T0)
    assert found["exp"].since_start["canary"].total == 2


def test_a_clock_that_is_put_back_leaves_nothing_of_the_future_behind(api: Api, calls: ApiCalls) -> None:
    calls.read([rollout("starting")], T0)
    for hours in (2, 0):
        api.called(CANARY, "ok", 3)
        seen = calls.read([rollout()], T0 + timedelta(hours=hours, seconds=1))["exp"]
    assert seen.since_start["canary"].total == 6


def test_an_api_that_does_not_answer_is_said_and_nothing_is_made_up(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, api_port=1)
    evidence = open_evidence(settings, ObjectDirectory(settings.inference_services)).read(rollout(), T0)
    assert evidence.calls is None
    assert evidence.recent_calls is None
    assert "http://127.0.0.1:1 does not show its metrics" in evidence.blind[0]


@pytest.mark.parametrize(
    "body", [b"\xff", b'mediareview_api_predictor_seconds_count{model="x"} 1\n', b"process_start_time_seconds {{{ x\n"]
)
def test_metrics_that_cannot_be_read_are_said(tmp_path: Path, body: bytes) -> None:
    with answering(lambda _: (200, body)) as url, pytest.raises(MediaReviewError, match="does not show its metrics"):
        ApiCalls(lambda: url, tmp_path / "calls.json", keep=True).read([rollout()], T0)


def test_on_a_cluster_calls_come_from_prometheus_or_are_not_known(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, serving_url="kubernetes://ml")
    evidence = open_evidence(settings, ObjectDirectory(tmp_path)).read(rollout(), T0)
    assert "they come from Prometheus" in evidence.blind[0]


Answers = dict[str, list[tuple[dict[str, str], float]]]


@contextmanager
def prometheus(answers: Answers, queries: list[str] | None = None) -> Iterator[PrometheusCalls]:
    """A server that answers queries by a part of them, by the documented schema."""

    def answer(body: str) -> tuple[int, bytes]:
        query = parse_qs(body)["query"][0]
        if queries is not None:
            queries.append(query)
        rows = next((rows for part, rows in answers.items() if part in query), [])
        result = [{"metric": labels, "value": [1763640000.0, str(value)]} for labels, value in rows]
        return 200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()

    with answering(answer) as url:
        yield PrometheusCalls(url)


def test_prometheus_sums_over_replicas_since_the_start_and_over_the_last_minutes() -> None:
    answers: Answers = {
        "timestamp": [({}, 12.0)],
        "_count": [({"variant": "v2", "outcome": "ok"}, 40.3), ({"variant": "v2", "outcome": "failed"}, 2.0),
                   ({"variant": "stable", "outcome": "ok"}, 360.0)],
        "_bucket": [({"variant": "v2", "outcome": "ok", "le": "0.1"}, 30.0),
                    ({"variant": "v2", "outcome": "ok", "le": "+Inf"}, 40.3)],
    }  # fmt: skip
    queries: list[str] = []
    with prometheus(answers, queries) as source:
        seen = source.read([rollout()], T0 + timedelta(hours=1))["exp"]
    canary = seen.since_start["canary"]
    assert (canary.answered, canary.failed, dict(canary.latency)) == (40, 2, {0.1: 30})
    assert seen.recent["control"].total == 360
    assert sum("[3600s]" in query for query in queries) == 2
    assert sum("[120s]" in query for query in queries) == 2


@pytest.mark.parametrize(
    ("answers", "words"),
    [({}, "knows no calls of the sentiment model"), ({"timestamp": [({}, 400.0)]}, "400 s ago for the last time")],
)
def test_a_series_that_is_missing_or_old_is_not_zero(answers: Answers, words: str) -> None:
    with prometheus(answers) as source, pytest.raises(MediaReviewError, match=words):
        source.read([rollout()], T0)


def test_what_is_no_number_is_left_out() -> None:
    with prometheus(
        {"timestamp": [({}, 1.0)], "_count": [({"variant": "v2", "outcome": "ok"}, float("nan"))]}
    ) as source:
        assert source.read([rollout()], T0)["exp"].since_start["canary"].total == 0


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, b'{"status": "error", "error": "parse error"}', "refuses a query: parse error"),
        (503, b"<html>", "status 503"),
        (200, b"<html>", "does not answer"),
        (200, b'{"status": "success"}', "does not answer"),
    ],
)
def test_a_server_in_trouble_is_said(status: int, body: bytes, words: str) -> None:
    with answering(lambda _: (status, body)) as url, pytest.raises(MediaReviewError, match=words):
        PrometheusCalls(url).read([rollout()], T0)
