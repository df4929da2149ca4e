"""Prometheus metrics of a predictor, by model and version, beside those that KServe exports."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kserve.errors import InvalidInput
from prometheus_client import Counter, Gauge, Histogram

from serving.predictors.batching import OverloadedError

_MODEL = ["model_name", "model_version"]
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

REQUESTS = Counter("mediareview_predictor_requests", "Requests, by protocol (v1, v2).", [*_MODEL, "protocol"])
ERRORS = Counter(
    "mediareview_predictor_errors",
    "Requests that got no prediction, by reason (invalid, overloaded, cancelled, failed).",
    [*_MODEL, "protocol", "reason"],
)
BATCH_SIZE = Histogram(
    "mediareview_predictor_batch_size", "Instances scored together.", _MODEL, buckets=(1, 2, 4, 8, 16, 32, 64, 128)
)
QUEUE_SECONDS = Histogram(
    "mediareview_predictor_queue_seconds", "Time an instance waited for the model.", _MODEL, buckets=_SECONDS
)
SCORING_SECONDS = Histogram(
    "mediareview_predictor_scoring_seconds", "Time the model took for a batch.", _MODEL, buckets=_SECONDS
)
INFO = Gauge("mediareview_predictor_info", "Always 1; tells which model runs here.", [*_MODEL, "variety"])


class PredictorMetrics:
    """The metrics of one model version.

    Args:
        name: the model.
        version: its registry version.
        variety: what kind of model it is.
    """

    def __init__(self, name: str, version: str, variety: str) -> None:
        self._labels = (name, version)
        self._batch_size = BATCH_SIZE.labels(*self._labels)
        self._queue_seconds = QUEUE_SECONDS.labels(*self._labels)
        self._scoring_seconds = SCORING_SECONDS.labels(*self._labels)
        INFO.labels(*self._labels, variety).set(1)

    def batch_scored(self, queued_s: Sequence[float], scoring_s: float) -> None:
        """Count a batch."""
        self._batch_size.observe(len(queued_s))
        self._scoring_seconds.observe(scoring_s)
        for waited_s in queued_s:
            self._queue_seconds.observe(waited_s)

    @contextmanager
    def request(self, protocol: str) -> Iterator[None]:
        """Count a request, and the reason if it fails."""
        REQUESTS.labels(*self._labels, protocol).inc()
        try:
            yield
        except BaseException as error:
            ERRORS.labels(*self._labels, protocol, _reason(error)).inc()
            raise


def _reason(error: BaseException) -> str:
    match error:
        case InvalidInput():
            return "invalid"
        case OverloadedError():
            return "overloaded"
        case asyncio.CancelledError():
            return "cancelled"
        case _:
            return "failed"
