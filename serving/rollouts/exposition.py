"""What the controller shows of itself to Prometheus and to the kubelet."""

import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from mediareview.errors import MediaReviewError
from serving.rollouts.rollout import Phase, Rollout

_ACTIONS = ("enter", "step", "pause", "promote", "roll_back")


class Exposition:
    """Metrics of the controller, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._phase = Gauge(
            "mediareview_rollout_phase", "1 for the phase of a model's newest rollout.", ["model", "phase"],
            registry=registry,
        )  # fmt: skip
        self._traffic = Gauge(
            "mediareview_rollout_traffic_percent", "Candidate's share of the traffic.", ["model"], registry=registry
        )
        self._blind = Gauge(
            "mediareview_rollout_blind",
            "1 while a rollout goes on that the controller cannot see or cannot change.",
            ["model"],
            registry=registry,
        )
        self._changes = Counter(
            "mediareview_rollout_changes", "Changes made by the controller.", ["model", "action"], registry=registry
        )
        self._last_look = Gauge(
            "mediareview_rollout_last_look_timestamp_seconds", "When all rollouts were looked at.", registry=registry
        )
        self._looked_at = time.monotonic()

    def stands(self, model: str, rollout: Rollout | None) -> None:
        """Show how a model's newest rollout stands."""
        for phase in get_args(Phase):
            self._phase.labels(model, phase).set(rollout is not None and rollout.phase == phase)
        active = rollout is not None and rollout.active
        self._traffic.labels(model).set(rollout.traffic_percent if rollout is not None and active else 0)
        for action in _ACTIONS:
            # A series that appears with its first change would have no increase.
            self._changes.labels(model, action)

    def blind(self, model: str, blind: bool) -> None:
        """Show whether a rollout can be seen."""
        self._blind.labels(model).set(blind)

    def changed(self, model: str, action: str) -> None:
        """Count a change."""
        self._changes.labels(model, action).inc()

    def looked(self, at_s: float) -> None:
        """Note the end of a look, in Unix time."""
        self._last_look.set(at_s)
        self._looked_at = time.monotonic()

    @property
    def idle_s(self) -> float:
        """Seconds since the end of the last look."""
        return time.monotonic() - self._looked_at


def serve(exposition: Exposition, host: str, port: int, alive: Callable[[], bool]) -> ThreadingHTTPServer:
    """Answer ``/metrics`` and ``/healthz`` in a thread; the latter with 503 if it is no longer alive.

    Raises:
        MediaReviewError: the address cannot be had.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(HTTPStatus.OK, generate_latest(exposition.registry), CONTENT_TYPE_LATEST)
            elif self.path == "/healthz":
                status = HTTPStatus.OK if alive() else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, status.phrase.encode(), "text/plain")
            else:
                self._answer(HTTPStatus.NOT_FOUND, b"/metrics, /healthz", "text/plain")

        def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: probes and scrapes come all the time."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise MediaReviewError(
            f"The controller's metrics cannot be shown at {host}:{port}: {error.strerror}.",
            "Choose another --metrics-port.",
        ) from None
    threading.Thread(target=server.serve_forever, name="exposition", daemon=True).start()
    return server
