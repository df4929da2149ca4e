"""Prometheus metrics of the API. Labels are bounded: endpoints and models are few, whatever callers send."""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest

from mediareview.contracts import Feedback, Record, ShadowComparison

SECONDS = (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})
OTHER = "other"

# They would double the number of series.
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Served:
    """Which model answered; empty where none did."""

    name: str = ""
    version: str = ""
    variant: str = ""


NOBODY = Served()


class ApiMetrics:
    """The metrics of one application, in a registry of its own."""

    def __init__(self) -> None:
        self._endpoints: frozenset[str] = frozenset()
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        request = ["endpoint", "method", "model", "version", "variant", "status"]
        self._requests = Counter("mediareview_api_requests", "Requests answered.", request, registry=registry)
        self._latency = Histogram(
            "mediareview_api_latency_seconds",
            "Time from the request's head to the end of the answer.",
            request,
            buckets=SECONDS,
            registry=registry,
        )
        self._errors = Counter(
            "mediareview_api_errors", "Requests answered with a problem.", ["endpoint", "problem"], registry=registry
        )
        self._in_flight = Gauge(
            "mediareview_api_in_flight_requests", "Requests being answered.", ["endpoint"], registry=registry
        )
        self._predictor = Histogram(
            "mediareview_api_predictor_seconds",
            "Time a predictor took, by outcome (ok, refused, gone, timeout, overloaded, failed, cancelled, skipped). "
            "Calls that were not made take 0 s: skipped if the stable variant answered for a canary that is away or "
            "has just failed several times; refused if nobody could.",
            ["model", "version", "variant", "outcome"],
            buckets=SECONDS,
            registry=registry,
        )
        self._circuit = Gauge(
            "mediareview_api_circuit_open",
            "1 while the stable predictor of a model is left alone.",
            ["model"],
            registry=registry,
        )
        self._events = Counter(
            "mediareview_api_events",
            "Events, by type of feedback or table, and by outcome (stored, lost).",
            ["type", "outcome"],
            registry=registry,
        )
        self._commit = Histogram(
            "mediareview_api_event_commit_seconds",
            "Time to write and sync a batch of events.",
            buckets=SECONDS,
            registry=registry,
        )

        candidate = ["model", "version"]
        self._agreement = Histogram(
            "mediareview_api_shadow_agreement",
            "Share of the answer that the candidate agrees with, by comparison.",
            candidate,
            buckets=SHARES,
            registry=registry,
        )
        self._difference = Histogram(
            "mediareview_api_shadow_score_difference",
            "Mean absolute difference of the probabilities, by comparison.",
            candidate,
            buckets=SHARES,
            registry=registry,
        )
        self._not_compared = Counter(
            "mediareview_api_shadow_not_compared",
            "Copies that were not compared, by reason (dropped, failed).",
            [*candidate, "reason"],
            registry=registry,
        )

    def know(self, endpoints: Iterable[str]) -> None:
        """Count these paths apart; all others are counted as one."""
        self._endpoints = frozenset(endpoints)

    def endpoint(self, path: str) -> str:
        """Return the label of a path."""
        return path if path in self._endpoints else OTHER

    def started(self, endpoint: str) -> None:
        """Count a request in."""
        self._in_flight.labels(endpoint).inc()

    def ended(self, endpoint: str, method: str, served: Served, status: int, problem: str, took_s: float) -> None:
        """Count a request out. Status 0 stands for a caller that went away before the answer."""
        self._in_flight.labels(endpoint).dec()
        known_method = method if method in METHODS else OTHER
        status_class = f"{status // 100}xx" if status else "cancelled"
        labels = (endpoint, known_method, served.name, served.version, served.variant, status_class)
        self._requests.labels(*labels).inc()
        self._latency.labels(*labels).observe(took_s)
        if problem:
            self._errors.labels(endpoint, problem).inc()

    def predicted(self, served: Served, outcome: str, took_s: float) -> None:
        """Count a call of a predictor."""
        self._predictor.labels(served.name, served.version, served.variant, outcome).observe(took_s)

    def circuit(self, model: str, is_open: Callable[[], bool]) -> None:
        """Show whether a model's stable predictor is left alone."""
        self._circuit.labels(model).set_function(lambda: float(is_open()))

    def committed(self, events: Sequence[Record], took_s: float, stored: bool) -> None:
        """Count a batch of events."""
        for kind, count in Tally(map(_kind, events)).items():
            self._events.labels(kind, "stored" if stored else "lost").inc(count)
        if stored:
            self._commit.observe(took_s)

    def compared(self, comparison: ShadowComparison) -> None:
        """Count an answer of a candidate in shadow mode that was compared with the one given."""
        self._agreement.labels(comparison.model, comparison.version).observe(comparison.agreement)
        if comparison.score_difference is not None:
            self._difference.labels(comparison.model, comparison.version).observe(comparison.score_difference)

    def not_compared(self, model: str, version: str, why: str) -> None:
        """Count a copy that was not compared: ``dropped``, as too many were under way, or ``failed``."""
        self._not_compared.labels(model, version, why).inc()

    async def exposition(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return await asyncio.to_thread(generate_latest, self.registry)


def _kind(event: Record) -> str:
    return event.type if isinstance(event, Feedback) else event.table
