"""The controller as a process: killed at any moment it goes on where it was, and object and audit log agree."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.exposition import generate_latest

from mediareview.contracts import Exposure, Feedback, Record, RolloutChange, ServedAnswer
from mediareview.settings import Settings
from serving.address import noted
from serving.api.journal import Journal
from serving.api.metrics import ApiMetrics, Served
from serving.objects import ConflictError, ObjectDirectory
from serving.rollouts.operations import Rollouts
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import Candidate, Rollout
from serving.standin.replica import free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

NAME = "sentiment"
PLAN = Plan(traffic_percent=10, step_percent=10, max_percent=50, every_s=0.2, min_units=50, outcome_window_s=0.2,
            margin=0.3)  # fmt: skip
VERSION_LABEL = "mediareview.dev/model-version"


class Platform:
    """What surrounds a controller: objects whose status somebody writes, an API that is called, users who answer."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home, rollout_interval_s=0.05)
        self.objects = ObjectDirectory(self.settings.inference_services)
        self.rollouts = Rollouts.from_settings(self.settings)
        self.metrics = ApiMetrics()
        self._journals = {
            kind: Journal(self.settings.events / kind.table) for kind in (Exposure, ServedAnswer, Feedback)
        }
        self._stop = threading.Event()
        self._units = 0

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        metrics = self.metrics

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = generate_latest(metrics.registry)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threads = [threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}),
                   threading.Thread(target=self._live)]  # fmt: skip
        for thread in threads:
            thread.start()
        try:
            with noted(self.settings, f"http://127.0.0.1:{server.server_address[1]}"):
                yield
        finally:
            self._stop.set()
            server.shutdown()
            server.server_close()
            for thread in threads:
                thread.join()

    def serve_version(self, version: str) -> None:
        labels = {VERSION_LABEL: version}
        model = {"name": "kserve-container", "modelFormat": {"name": "mediareview-sentiment"}}
        self.objects.apply(
            {
                "apiVersion": "serving.kserve.io/v1beta1",
                "kind": "InferenceService",
                "metadata": {"name": NAME, "labels": labels},
                "spec": {"predictor": {"labels": labels, "model": {**model, "storageUri": f"file:///{version}"}}},
            }
        )

    def start(self, version: str) -> Rollout:
        candidate = Candidate(version=version, uri=f"file:///{version}", predictor=f"v{version}")
        return self.rollouts.start(NAME, candidate, PLAN, "ann@laptop", "it scored better")

    def current(self) -> Rollout:
        found = self.rollouts.current(NAME)
        assert found is not None
        return found

    def log(self, rollout: Rollout) -> list[RolloutChange]:
        return [change for change in self.rollouts._audit.history(NAME) if change.rollout == rollout.id]

    def _live(self) -> None:
        while not self._stop.wait(0.02):
            with contextlib.suppress(ConflictError):
                self._write_status()
            rollout = self.rollouts.current(NAME)
            if rollout is not None and rollout.phase == "running":
                for variant in (rollout.candidate.predictor, rollout.stable_predictor):
                    self.metrics.predicted(Served(NAME, "", variant), "ok", 0.01)
                    self._answer(rollout, variant)

    def _write_status(self) -> None:
        """Write that all that the object asks for is ready, as the stand-in does."""
        service = self.objects.get(NAME)
        canaries = [
            {"name": entry["predictor"]["name"], "ready": True} for entry in service["spec"].get("canary") or []
        ]
        status = {
            "observedGeneration": service["metadata"]["generation"],
            "conditions": [{"type": "Ready", "status": "True"}],
            "canaryStatuses": canaries,
        }
        self.objects.update_status(NAME, status, resource_version=service["metadata"]["resourceVersion"])

    def _answer(self, rollout: Rollout, variant: str) -> None:
        for _ in range(3):
            self._units += 1
            request, unit, now = f"q{self._units}", f"u{self._units}", datetime.now(UTC)
            shared: dict[str, Any] = {"request_id": request, "model": NAME, "occurred_at": now}
            experiment = {"experiment": rollout.id, "unit": unit, "variant": variant}
            label = "positive" if self._units % 10 else "negative"
            answer = {"answered_by": variant, "version": "", "item_ids": ["r"], "labels": ["positive"]}
            self._write(Exposure(propensity=0.5, **experiment, **shared))
            self._write(ServedAnswer(**experiment, **answer, **shared))
            self._write(Feedback(event_id=f"f{self._units}", type="label", label=label, **shared))

    def _write(self, event: Record) -> None:
        self._journals[type(event)].write(event.model_dump_json(exclude_none=True).encode() + b"\n")


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    platform = Platform(tmp_path)
    platform.serve_version("1")
    with platform.going_on():
        yield platform


@contextlib.contextmanager
def controller(settings: Settings, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    environment = {**os.environ, "MEDIAREVIEW_HOME": str(settings.root), "MEDIAREVIEW_ROLLOUT_INTERVAL_S": "0.05"}
    process = subprocess.Popen(
        [sys.executable, "-m", "serving.rollouts", *arguments],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(happens: Any, timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not happens():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)


def agree(platform: Platform, rollout: Rollout) -> None:
    """Check that object and audit log tell the same, each change once."""
    changes = platform.log(rollout)
    assert [change.sequence for change in changes] == list(range(1, rollout.sequence + 1))
    assert (changes[-1].phase, changes[-1].traffic_percent) == (rollout.phase, rollout.traffic_percent)
    percents = [change.traffic_percent for change in changes]
    assert percents == sorted(percents)
    assert not rollout.pending


def test_killed_at_random_moments_it_goes_on_and_object_and_log_agree(platform: Platform) -> None:
    draw = random.Random(7)
    kills = 0
    for version in ("2", "3", "4"):
        platform.start(version)
        while platform.current().active:
            moved = platform.current().sequence
            with controller(platform.settings) as process:
                # It takes a second to begin; from then on a change is made every few hundred milliseconds.
                until(lambda moved=moved: platform.current().sequence > moved or not platform.current().active)
                time.sleep(draw.uniform(0.0, 0.4))
                process.kill()
                kills += 1
        with controller(platform.settings):  # completes what the last one left
            until(lambda: not platform.current().pending)
        rollout = platform.current()
        assert rollout.phase == "promoted", rollout.reason
        agree(platform, rollout)
        assert [change.action for change in platform.log(rollout)] == ["start", "enter", *["step"] * 4, "promote"]
        service = platform.objects.get(NAME)
        assert service["spec"]["predictor"]["name"] == f"v{version}"
        assert not service["spec"].get("canary")
    assert kills >= 10


def test_sigterm_ends_it_at_once_and_leaves_whole_changes(platform: Platform) -> None:
    platform.start("2")
    with controller(platform.settings) as process:
        until(lambda: platform.current().sequence >= 3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    rollout = platform.current()
    assert not rollout.pending
    agree(platform, rollout)


def test_one_controller_runs_in_a_home(platform: Platform) -> None:
    port = free_port()
    with controller(platform.settings, f"--metrics_port={port}"):
        until(lambda: _holder(platform.settings))
        with controller(platform.settings) as second:
            _, said = second.communicate(timeout=60)
            assert second.returncode == 1
            assert "already run by process" in said
        until(lambda: _metrics(port))
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        assert 'mediareview_rollout_traffic_percent{model="sentiment"} 0.0' in _metrics(port)


def test_it_does_not_outlive_its_parent(platform: Platform) -> None:
    lifeline_fd, held_end = os.pipe()
    os.set_inheritable(lifeline_fd, True)
    process = subprocess.Popen(
        [sys.executable, "-m", "serving.rollouts", f"--lifeline_fd={lifeline_fd}"],
        env={**os.environ, "MEDIAREVIEW_HOME": str(platform.settings.root)},
        pass_fds=(lifeline_fd,), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(lifeline_fd)
    until(lambda: _holder(platform.settings))
    os.close(held_end)
    assert process.wait(30) == 0


def _holder(settings: Settings) -> str:
    lock = settings.root / "serving" / "rollouts.lock"
    return lock.read_text() if lock.exists() else ""


def _metrics(port: int) -> str:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/metrics").text
    return ""
