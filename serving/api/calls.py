"""One call of one predictor: over a pool of connections, counted, and not made to what is known to be down."""

import asyncio
import errno
import logging
import time
from collections.abc import Collection
from http import HTTPStatus
from typing import Generic, TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError

from serving.api.breaker import Breaker
from serving.api.metrics import ApiMetrics, Served
from serving.api.problems import OVERLOADED, PREDICTOR_FAILED, PREDICTOR_UNAVAILABLE, ProblemError
from serving.objects import Variant

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 1.0
KEEPALIVE_S = 30.0
"""Below the 65 s after which KServe closes an idle connection, so that none is closed while it is taken."""
CALLS_PER_CONNECTION = 500
"""One call in so many gives its connection up. A Service balances connections and not calls: else pods that were added
would wait for their share."""
READY_TIMEOUT_S = 1.0
RETRY_AFTER_S = 2.0
WARNING_INTERVAL_S = 10.0

Prediction = TypeVar("Prediction", bound=BaseModel)


class GoneError(Exception):
    """Nobody listens at a predictor's address, or who did has gone without a word of an answer."""


class _Answer(BaseModel, Generic[Prediction]):
    """The answer of KServe's V1 protocol."""

    predictions: list[Prediction]


class PredictorCalls(Generic[Prediction]):
    """Calls predictors of one model, each with a circuit breaker of its own. Use it between ``open`` and ``close``.

    Args:
        model: name of the InferenceService and of the model in it.
        prediction: what a predictor answers for an instance.
        connections: most connections at a time.
        metrics: is told of each call.
    """

    def __init__(self, model: str, prediction: type[Prediction], *, connections: int, metrics: ApiMetrics) -> None:
        self.model = model
        self._answer = _Answer[prediction]  # type: ignore[valid-type]
        self._connections = connections
        self._metrics = metrics
        self._calls = 0
        self._breakers: dict[str, Breaker] = {}
        """By URL: what comes back at another one is another process, with a clean record."""
        self._session: aiohttp.ClientSession
        self._silent_until = 0.0

    async def open(self) -> None:
        """Make the connection pool."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=KEEPALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            # The caller sets the deadline, around its retries too.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    def refused_s(self, variant: Variant) -> float:
        """Return 0 if a variant may be called now, else for how many seconds not. A call may be a trial."""
        breaker = self._breakers.get(variant.url or "")
        return breaker.refused_s() if breaker is not None else 0.0

    def is_open(self, variant: Variant) -> bool:
        """Whether a variant is left alone."""
        breaker = self._breakers.get(variant.url or "")
        return breaker is not None and breaker.open

    def keep(self, variants: Collection[Variant]) -> None:
        """Forget what happened to all other predictors."""
        known = {variant.url for variant in variants}
        for url in self._breakers.keys() - known:
            del self._breakers[url]

    def not_called(self, variant: Variant, outcome: str = "refused") -> None:
        """Count a call that was not made: ``refused``, ``skipped`` where another variant answers, or ``overloaded``."""
        self._metrics.predicted(Served(self.model, variant.version, variant.name), outcome, 0.0)

    async def call(
        self, variant: Variant, body: bytes, instances: int, request_id: str, deadline: asyncio.Timeout
    ) -> tuple[list[Prediction], Served]:
        """Return the predictions of a variant, and who made them.

        Args:
            variant: one with a URL.
            body: the request of KServe's V1 protocol.
            instances: number of predictions that are due.
            request_id: is passed on.
            deadline: what cancels this call if it takes too long, which then is the predictor's fault.

        Raises:
            GoneError: nobody is there.
            TimeoutError: it cannot be connected to.
            ProblemError: it has too much to do, breaks off, or answers with anything but these predictions.
        """
        served = Served(self.model, variant.version, variant.name)
        breaker = self._breakers.setdefault(variant.url or "", Breaker())
        headers = {"Content-Type": "application/json", "X-Request-ID": request_id}
        self._calls += 1
        if self._calls % CALLS_PER_CONNECTION == 0:
            headers["Connection"] = "close"
        outcome = "failed"
        started = time.perf_counter()
        try:
            async with self._session.post(
                f"{variant.url}/v1/models/{self.model}:predict", data=body, headers=headers
            ) as response:
                answer = await response.read()
            breaker.succeeded()
            served = Served(self.model, response.headers.get("x-model-version", variant.version), variant.name)
            if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
                outcome = "overloaded"
                raise ProblemError(
                    OVERLOADED, f"The {self.model} model has too much to do. Try again in a moment.", retry_after_s=1
                )
            predictions = self._read(response.status, answer, instances, served, request_id)
            outcome = "ok"
            return predictions, served
        except (aiohttp.ClientError, OSError) as error:
            breaker.failed()
            self._warn(served, repr(error))
            refused = isinstance(error, OSError) and error.errno == errno.ECONNREFUSED
            if refused or isinstance(error, aiohttp.ServerDisconnectedError):
                outcome = "refused" if refused else "gone"
                raise GoneError from None
            if isinstance(error, TimeoutError):
                outcome = "timeout"
                raise
            raise self.unavailable("it broke off the connection") from None
        except asyncio.CancelledError:
            # By the deadline, or because the caller has gone: that is not the predictor's fault.
            outcome = "cancelled"
            if deadline.expired():
                outcome = "timeout"
                breaker.failed()
            raise
        finally:
            self._metrics.predicted(served, outcome, time.perf_counter() - started)

    async def is_ready(self, variant: Variant) -> bool:
        """Ask a variant with a URL whether it is ready.

        Raises:
            OSError: it does not answer.
        """
        try:
            async with (
                asyncio.timeout(READY_TIMEOUT_S),
                self._session.get(f"{variant.url}/v2/models/{self.model}/ready") as response,
            ):
                return response.status == HTTPStatus.OK
        except (aiohttp.ClientError, OSError) as error:
            self._warn(Served(self.model, variant.version, variant.name), f"readiness: {error!r}")
            raise OSError(f"no answer about its readiness: {error!r}") from None

    def unavailable(self, reason: str, retry_after_s: float = RETRY_AFTER_S) -> ProblemError:
        """Return the problem of a model that does not answer."""
        return ProblemError(
            PREDICTOR_UNAVAILABLE,
            f"The {self.model} model does not answer: {reason}. Try again after the seconds in Retry-After.",
            retry_after_s=retry_after_s,
        )

    def _read(self, status: int, answer: bytes, instances: int, served: Served, request_id: str) -> list[Prediction]:
        if status != HTTPStatus.OK:
            raise self._failed(f"status {status}: {answer[:300]!r}", served, request_id)
        try:
            predictions: list[Prediction] = self._answer.model_validate_json(answer).predictions
        except ValidationError as error:
            raise self._failed(f"not the contract's answer: {error.errors()[0]}", served, request_id) from None
        if len(predictions) != instances:
            raise self._failed(f"{len(predictions)} predictions for {instances} instances", served, request_id)
        return predictions

    def _failed(self, reason: str, served: Served, request_id: str) -> ProblemError:
        logger.error("The %s predictor %s failed on request %s: %s", self.model, served.variant, request_id, reason)
        return ProblemError(
            PREDICTOR_FAILED,
            f"The {self.model} model failed on this request, and may again. Send its items one by one to find out "
            "which it is, and report the request_id.",
        )

    def _warn(self, served: Served, reason: str) -> None:
        """Log a failed connection; while they come in numbers, one in ten seconds."""
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + WARNING_INTERVAL_S
            logger.warning("The %s predictor %s does not answer: %s", self.model, served.variant, reason)
