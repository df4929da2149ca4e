"""Calls one model's predictors: bounded in time and number, and without waiting for what is known to be down.

Each model has its own connections, limits and circuit breaker, so that one in trouble takes nothing from the others.
"""

import asyncio
import errno
import logging
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Generic, TypeVar

import aiohttp
import orjson
from pydantic import BaseModel, ValidationError

from serving.api.breaker import Breaker
from serving.api.directory import PredictorDirectory, choose_variant
from serving.api.metrics import ApiMetrics, Served
from serving.api.problems import (
    OVERLOADED,
    PREDICTOR_FAILED,
    PREDICTOR_TIMEOUT,
    PREDICTOR_UNAVAILABLE,
    ProblemError,
)
from serving.objects import Variant

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 1.0
KEEPALIVE_S = 30.0
"""Below the 65 s after which KServe closes an idle connection, so that none is closed while it is taken."""
CALLS_PER_CONNECTION = 500
"""One call in so many gives its connection up. A Service balances connections and not calls: else pods that were added
would wait for their share."""
RETRY_DELAY_S = 0.05
READY_TIMEOUT_S = 1.0
RETRY_AFTER_S = 2.0
NOT_DEPLOYED_RETRY_AFTER_S = 60.0
WARNING_INTERVAL_S = 10.0

Prediction = TypeVar("Prediction", bound=BaseModel)


class _Answer(BaseModel, Generic[Prediction]):
    """The answer of KServe's V1 protocol."""

    predictions: list[Prediction]


class Readiness(BaseModel):
    """Whether a model answers."""

    ready: bool
    version: str = ""
    reason: str = ""
    """Why it is not ready."""


class _GoneError(Exception):
    """Nobody listens at a predictor's address, or who did has gone without a word of an answer."""


class PredictorClient(Generic[Prediction]):
    """Predictions of one model. Use it between ``open`` and ``close``, within one event loop.

    Args:
        model: name of the InferenceService and of the model in it.
        prediction: what the predictor answers for an instance.
        directory: knows where the predictors are.
        timeout_s: time for a prediction, retry included.
        concurrency: most calls at a time; more are refused.
        metrics: is told of each call.
    """

    def __init__(
        self,
        model: str,
        prediction: type[Prediction],
        directory: PredictorDirectory,
        *,
        timeout_s: float,
        concurrency: int,
        metrics: ApiMetrics,
    ) -> None:
        self.model = model
        self._answer = _Answer[prediction]  # type: ignore[valid-type]
        self._directory = directory
        self._timeout_s = timeout_s
        self._concurrency = concurrency
        self._metrics = metrics
        self._in_flight = 0
        self._calls = 0
        self._breaker = Breaker()
        self._session: aiohttp.ClientSession
        self._silent_until = 0.0
        metrics.circuit(model, lambda: self._breaker.open)

    async def open(self) -> None:
        """Make the connection pool."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._concurrency, keepalive_timeout=KEEPALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            # The deadline is set per call, around the retry too.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def predict(self, instances: Sequence[Any], request_id: str) -> tuple[list[Prediction], Served]:
        """Return the predictions of instances, in order, and who made them.

        Raises:
            ProblemError: the model is not there, does not answer, answers too late, or fails; or too many ask.
        """
        if self._in_flight >= self._concurrency:
            raise ProblemError(
                OVERLOADED,
                f"{self._concurrency} calls of the {self.model} model are under way. Try again in a moment.",
                retry_after_s=1,
            )
        body = orjson.dumps({"instances": instances})
        self._in_flight += 1
        try:
            async with asyncio.timeout(self._timeout_s) as deadline:
                try:
                    predictions, served = await self._call(self._choose(), body, request_id, deadline)
                except _GoneError:
                    # A prediction changes nothing, so it may be asked for again: of another pod, or where it has moved.
                    await asyncio.sleep(RETRY_DELAY_S)
                    predictions, served = await self._call(self._choose(), body, request_id, deadline)
        except TimeoutError:
            raise ProblemError(
                PREDICTOR_TIMEOUT,
                f"The {self.model} model did not answer within {self._timeout_s:g} seconds. "
                "Try again later, or with fewer or shorter items.",
                retry_after_s=RETRY_AFTER_S,
            ) from None
        except _GoneError:
            raise self._unavailable("nobody answers at its address") from None
        finally:
            self._in_flight -= 1
        if len(predictions) != len(instances):
            raise self._failed(f"{len(predictions)} predictions for {len(instances)} instances", request_id)
        return predictions, served

    async def readiness(self) -> Readiness:
        """Ask the stable predictor whether it is ready."""
        deployment = self._directory.find(self.model)
        if deployment is None:
            return Readiness(ready=False, reason=self._directory.problem or "it is not deployed")
        variant = deployment.variants[0]
        if variant.url is None:
            return Readiness(ready=False, version=variant.version, reason=deployment.message or "nothing runs it")
        try:
            async with (
                asyncio.timeout(READY_TIMEOUT_S),
                self._session.get(f"{variant.url}/v2/models/{self.model}/ready") as response,
            ):
                ready = response.status == HTTPStatus.OK
        except (aiohttp.ClientError, OSError) as error:
            self._warn(f"readiness: {error!r}")
            return Readiness(ready=False, version=variant.version, reason=deployment.message or "it does not answer")
        return Readiness(ready=ready, version=variant.version, reason="" if ready else "it is loading")

    def _choose(self) -> Variant:
        """Return the variant to call, unless it is known to be down."""
        deployment = self._directory.find(self.model)
        if deployment is None:
            if self._directory.problem:
                raise self._unavailable("where it is deployed is not known, see /readyz")
            raise self._unavailable(
                f"it is not deployed (mediareview pipeline run train-{self.model})", NOT_DEPLOYED_RETRY_AFTER_S
            )
        variant = choose_variant(deployment)
        if variant.url is None:
            # What comes back is another process, with a clean record.
            self._breaker.reset()
            raise self._unavailable("it is being started, see /readyz")
        if pause_s := self._breaker.refused_s():
            raise self._unavailable("it failed several times in a row", pause_s)
        return variant

    async def _call(
        self, variant: Variant, body: bytes, request_id: str, deadline: asyncio.Timeout
    ) -> tuple[list[Prediction], Served]:
        served = Served(self.model, variant.version, variant.name)
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
            self._breaker.succeeded()
            served = Served(self.model, response.headers.get("x-model-version", variant.version), variant.name)
            if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
                outcome = "overloaded"
                raise ProblemError(
                    OVERLOADED, f"The {self.model} model has too much to do. Try again in a moment.", retry_after_s=1
                )
            if response.status != HTTPStatus.OK:
                raise self._failed(f"status {response.status}: {answer[:300]!r}", request_id)
            try:
                predictions: list[Prediction] = self._answer.model_validate_json(answer).predictions
            except ValidationError as error:
                raise self._failed(f"not the contract's answer: {error.errors()[0]}", request_id) from None
            outcome = "ok"
            return predictions, served
        except (aiohttp.ClientError, OSError) as error:
            self._breaker.failed()
            self._warn(repr(error))
            refused = isinstance(error, OSError) and error.errno == errno.ECONNREFUSED
            if refused or isinstance(error, aiohttp.ServerDisconnectedError):
                outcome = "refused" if refused else "gone"
                raise _GoneError from None
            if isinstance(error, TimeoutError):
                outcome = "timeout"
                raise
            raise self._unavailable("it broke off the connection") from None
        except asyncio.CancelledError:
            # By the deadline, or because the caller has gone: that is not the predictor's fault.
            outcome = "cancelled"
            if deadline.expired():
                outcome = "timeout"
                self._breaker.failed()
            raise
        finally:
            self._metrics.predicted(served, outcome, time.perf_counter() - started)

    def _unavailable(self, reason: str, retry_after_s: float = RETRY_AFTER_S) -> ProblemError:
        return ProblemError(
            PREDICTOR_UNAVAILABLE,
            f"The {self.model} model does not answer: {reason}. Try again after the seconds in Retry-After.",
            retry_after_s=retry_after_s,
        )

    def _failed(self, reason: str, request_id: str) -> ProblemError:
        logger.error("The %s predictor failed on request %s: %s", self.model, request_id, reason)
        return ProblemError(
            PREDICTOR_FAILED,
            f"The {self.model} model failed on this request, and may again. Send its items one by one to find out "
            "which it is, and report the request_id.",
        )

    def _warn(self, reason: str) -> None:
        """Log a failed connection; while they come in numbers, one in ten seconds."""
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + WARNING_INTERVAL_S
            logger.warning("The %s predictor does not answer: %s", self.model, reason)
