"""Predictions of one model, bounded in time and number; where the canary fails, the stable variant answers.

Each model has its own connections and limits, and each predictor its own circuit breaker, so that one in trouble takes
nothing from the others.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Generic

import orjson
from pydantic import BaseModel

from serving.api.calls import RETRY_AFTER_S, GoneError, Prediction, PredictorCalls
from serving.api.directory import Deployment, PredictorDirectory
from serving.api.metrics import ApiMetrics, Served
from serving.api.problems import OVERLOADED, PREDICTOR_TIMEOUT, ProblemError
from serving.objects import Variant

RETRY_DELAY_S = 0.05
CANARY_TIME_SHARE = 0.5
"""Share of the time limit in which a canary has to answer; the rest is for the stable variant, should it not."""
CANARY_CALLS_SHARE = 0.5
"""Share of the calls under way that may be a canary's: a slow one must not take the stable variant's place."""
NOT_DEPLOYED_RETRY_AFTER_S = 60.0


class Readiness(BaseModel):
    """Whether a model answers."""

    ready: bool
    version: str = ""
    reason: str = ""
    """Why it is not ready."""


class PredictorClient(Generic[Prediction]):
    """Predictions of one model. Use it between ``open`` and ``close``, within one event loop.

    Args:
        model: name of the InferenceService and of the model in it.
        prediction: what the predictor answers for an instance.
        directory: knows where the predictors are.
        timeout_s: time for a prediction, retry and a failed canary included.
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
        self._directory = directory
        self._timeout_s = timeout_s
        self._concurrency = concurrency
        self._in_flight = 0
        self._canary_in_flight = 0
        self._calls = PredictorCalls(model, prediction, connections=concurrency, metrics=metrics)
        self._deployment: Deployment | None = None
        self.open, self.close = self._calls.open, self._calls.close
        metrics.circuit(model, self._circuit_open)

    async def predict(
        self, instances: Sequence[Any], request_id: str, variant: str = ""
    ) -> tuple[list[Prediction], Served]:
        """Return the predictions of instances, in order, and who made them.

        Args:
            instances: what to predict for.
            request_id: is passed on.
            variant: name of the variant to ask; if it fails, or if empty, the stable one answers.

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
                if variant and (answered := await self._ask_canary(variant, body, len(instances), request_id)):
                    return answered
                try:
                    return await self._calls.call(self._stable(), body, len(instances), request_id, deadline)
                except GoneError:
                    # A prediction changes nothing, so it may be asked for again: of another pod, or where it has moved.
                    await asyncio.sleep(RETRY_DELAY_S)
                    return await self._calls.call(self._stable(), body, len(instances), request_id, deadline)
        except TimeoutError:
            raise ProblemError(
                PREDICTOR_TIMEOUT,
                f"The {self.model} model did not answer within {self._timeout_s:g} seconds. "
                "Try again later, or with fewer or shorter items.",
                retry_after_s=RETRY_AFTER_S,
            ) from None
        except GoneError:
            raise self._calls.unavailable("nobody answers at its address") from None
        finally:
            self._in_flight -= 1

    async def readiness(self) -> Readiness:
        """Ask the stable predictor whether it is ready."""
        deployment = self._directory.find(self.model)
        if deployment is None:
            return Readiness(ready=False, reason=self._directory.problem or "it is not deployed")
        stable = deployment.stable
        if stable.url is None:
            return Readiness(ready=False, version=stable.version, reason=deployment.message or "nothing runs it")
        try:
            ready = await self._calls.is_ready(stable)
        except OSError:
            return Readiness(ready=False, version=stable.version, reason=deployment.message or "it does not answer")
        return Readiness(ready=ready, version=stable.version, reason="" if ready else "it is loading")

    async def _ask_canary(
        self, name: str, body: bytes, instances: int, request_id: str
    ) -> tuple[list[Prediction], Served] | None:
        """Return what a canary predicts; None if it is gone or does not, so that the stable variant has to."""
        deployment = self._find()
        canary = deployment.variant(name) if deployment is not None else None
        if deployment is None or canary is None or canary is deployment.stable:
            return None  # promoted or taken back since it was chosen
        if canary.url is None or self._calls.refused_s(canary):
            self._calls.not_called(canary, "skipped")
            return None
        if self._canary_in_flight >= self._concurrency * CANARY_CALLS_SHARE:
            self._calls.not_called(canary, "overloaded")
            return None
        self._canary_in_flight += 1
        try:
            async with asyncio.timeout(self._timeout_s * CANARY_TIME_SHARE) as deadline:
                return await self._calls.call(canary, body, instances, request_id, deadline)
        except (ProblemError, GoneError, TimeoutError):
            return None
        finally:
            self._canary_in_flight -= 1

    def _stable(self) -> Variant:
        """Return the stable variant, unless it is known to be down."""
        deployment = self._find()
        if deployment is None:
            if self._directory.problem:
                raise self._calls.unavailable("where it is deployed is not known, see /readyz")
            raise self._calls.unavailable(
                f"it is not deployed (mediareview pipeline run train-{self.model})", NOT_DEPLOYED_RETRY_AFTER_S
            )
        stable = deployment.stable
        if stable.url is None:
            self._calls.not_called(stable)
            raise self._calls.unavailable("it is being started, see /readyz")
        if pause_s := self._calls.refused_s(stable):
            self._calls.not_called(stable)
            raise self._calls.unavailable("it failed several times in a row", pause_s)
        return stable

    def _find(self) -> Deployment | None:
        deployment = self._directory.find(self.model)
        if deployment is not self._deployment:
            self._deployment = deployment
            self._calls.keep(deployment.variants if deployment is not None else ())
        return deployment

    def _circuit_open(self) -> bool:
        return self._deployment is not None and self._calls.is_open(self._deployment.stable)
