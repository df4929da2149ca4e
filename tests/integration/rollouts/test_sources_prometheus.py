"""Calls as a real Prometheus server sums them up, where its program can be had: scripts/prometheus fetches it."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.exposition import generate_latest

from mediareview.errors import MediaReviewError
from serving.api.metrics import CONTENT_TYPE, ApiMetrics, Served
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import Candidate, Rollout
from serving.rollouts.sources import prometheus
from serving.rollouts.sources.calls import Seen
from serving.rollouts.sources.prometheus import PrometheusCalls
from serving.standin.replica import free_port

PROGRAM = shutil.which("prometheus", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        PROGRAM is None and not os.environ.get("CI"), reason="no program prometheus: scripts/prometheus"
    ),
]

CANARY, STABLE = Served("sentiment", "2", "v2"), Served("sentiment", "1", "stable")
SCRAPED_S = 3.0
"""Time in which a scrape has certainly come, at one a second."""
RANGE_S = 4


class Replica:
    """A replica of the API, as far as Prometheus sees it."""

    def __init__(self) -> None:
        replica = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = generate_latest(replica.metrics.registry)
                self.send_response(200)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.restart()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.target = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def restart(self) -> None:
        self.metrics = ApiMetrics()
        self.metrics.started("/healthz")

    def called(self, served: Served, outcome: str, times: int) -> None:
        for _ in range(times):
            self.metrics.predicted(served, outcome, 0.3)


@pytest.fixture
def replicas() -> Iterator[list[Replica]]:
    replicas = [Replica(), Replica()]
    yield replicas
    for replica in replicas:
        replica.server.shutdown()
        replica.server.server_close()


@pytest.fixture
def source(replicas: list[Replica], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrometheusCalls]:
    monkeypatch.setattr(prometheus, "LEAST_RANGE_S", RANGE_S)
    targets = ", ".join(replica.target for replica in replicas)
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: api, static_configs: [{{targets: [{targets}]}}]}}]\n"
    )
    address = f"127.0.0.1:{free_port()}"
    options = (f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data")
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [PROGRAM or "prometheus", *options, f"--web.listen-address={address}"],
            stdout=log,
            stderr=log,
            env=os.environ,
        )
    try:
        yield PrometheusCalls(f"http://{address}")
    finally:
        server.terminate()
        server.wait(20)


def rollout(started_at: datetime) -> Rollout:
    candidate = Candidate(version="2", uri="file:///2", predictor="v2")
    return Rollout(
        id="exp", model="sentiment", candidate=candidate, stable_version="1", stable_predictor="stable", plan=Plan(),
        phase="running", traffic_percent=10, sequence=2, started_at=started_at, changed_at=started_at, reason="",
    )  # fmt: skip


def until(seen: Callable[[], Seen], expected: tuple[int, int, int]) -> None:
    """Wait until the canary's answers and failures and the control group's answers are as expected."""
    found: object = None
    for _ in range(60):
        try:
            calls = seen().since_start
            found = (calls["canary"].answered, calls["canary"].failed, calls["control"].answered)
        except MediaReviewError as error:
            found = error
        if found == expected:
            return
        time.sleep(0.25)
    assert found == expected


def test_the_first_calls_of_a_new_version_are_counted_on_every_replica(
    source: PrometheusCalls, replicas: list[Replica]
) -> None:
    for replica in replicas:
        replica.called(STABLE, "ok", 50)
    time.sleep(RANGE_S + 2 * SCRAPED_S)  # the API was there before the rollout
    started = datetime.now(UTC)

    def seen() -> Seen:
        return source.read([rollout(started)], datetime.now(UTC))["exp"]

    # All before the first scrape that sees the canary: an increase alone would know nothing of them.
    replicas[0].called(CANARY, "failed", 7)
    for replica in replicas:
        replica.called(CANARY, "ok", 3)
    until(seen, (6, 7, 0))
    latency = seen().since_start["canary"].latency
    assert (latency[0.25], latency[0.5]) == (0, 6)
    replicas[0].restart()
    time.sleep(SCRAPED_S)
    replicas[0].called(CANARY, "ok", 2)
    time.sleep(SCRAPED_S)
    assert seen().since_start["canary"].failed == 7
    assert seen().since_start["canary"].answered >= 7


def test_what_prometheus_does_not_scrape_is_not_zero(source: PrometheusCalls) -> None:
    now = datetime.now(UTC)
    with pytest.raises(MediaReviewError):
        source.read([rollout(now - timedelta(minutes=5))], now)
    time.sleep(SCRAPED_S)
    with pytest.raises(MediaReviewError, match="knows no calls of the sentiment model"):
        source.read([rollout(now - timedelta(minutes=5))], datetime.now(UTC))
