"""Shadow mode: copies of requests go to a candidate, whose answers nobody sees and which are compared with those given.

A copy is sent once the answer is on its way, over connections of its own, so that it neither delays nor changes one.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel
from starlette.background import BackgroundTask

from mediareview.contracts import ShadowComparison
from mediareview.settings import Settings
from serving.api.calls import GoneError, PredictorCalls
from serving.api.directory import PredictorDirectory
from serving.api.events import EventLog
from serving.api.experiments import SOURCE, Choice
from serving.api.journal import Journal
from serving.api.metrics import ApiMetrics
from serving.api.outputs import compare
from serving.api.predictors import CANARY_TIME_SHARE
from serving.api.problems import ProblemError
from serving.experiments import Experiment
from serving.experiments.assignment import position
from serving.objects import Variant

logger = logging.getLogger(__name__)

MAX_COPIES = 8
"""Copies of all models under way at a time; more are dropped."""


class Shadow:
    """Sends copies to candidates. Use it within one event loop, from ``start`` to ``close``.

    Args:
        settings: where comparisons go.
        directory: knows where the candidates are.
        metrics: is told of calls and comparisons.
        models: name of each model to what its predictors answer for an instance, and to its time limit in seconds, of
            which a candidate has the same share as a canary.
    """

    def __init__(
        self,
        settings: Settings,
        directory: PredictorDirectory,
        metrics: ApiMetrics,
        models: dict[str, tuple[type[BaseModel], float]],
    ) -> None:
        self._directory = directory
        self._metrics = metrics
        self._log: EventLog[ShadowComparison] = EventLog(
            Journal(settings.events / ShadowComparison.table), committed=metrics.committed
        )
        self._calls: dict[str, PredictorCalls[Any]] = {
            model: PredictorCalls(model, prediction, connections=MAX_COPIES, metrics=metrics)
            for model, (prediction, _) in models.items()
        }
        self._timeouts_s = {model: timeout_s * CANARY_TIME_SHARE for model, (_, timeout_s) in models.items()}
        self._copies: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Make the connection pools, and begin to write."""
        for calls in self._calls.values():
            await calls.open()
        await self._log.start()

    async def close(self) -> None:
        """Give up the copies under way, and store the comparisons."""
        for copy in self._copies:
            copy.cancel()
        await asyncio.gather(*self._copies, return_exceptions=True)
        await self._log.close()
        for calls in self._calls.values():
            await calls.close()

    def follow(
        self,
        response: Response,
        choice: Choice,
        model: str,
        request_id: str,
        instances: Sequence[Any],
        predictions: Sequence[BaseModel],
    ) -> None:
        """Have a copy sent after the response, if the request is among those that are copied.

        Args:
            response: the answer.
            choice: tells the experiment.
            model: name of the InferenceService.
            request_id: decides whether it is copied.
            instances: what the stable variant was asked.
            predictions: what it answered.
        """
        experiment = choice.experiment
        if experiment is None or experiment.mode != "shadow":
            return
        if position(experiment.id, request_id) >= experiment.traffic_percent:
            return

        async def send() -> None:
            self._send(experiment, model, request_id, instances, predictions)

        response.background = BackgroundTask(send)

    def _send(
        self,
        experiment: Experiment,
        model: str,
        request_id: str,
        instances: Sequence[Any],
        predictions: Sequence[BaseModel],
    ) -> None:
        deployment = self._directory.find(model)
        candidate = deployment.variant(experiment.canary) if deployment is not None else None
        if candidate is None:
            return
        if len(self._copies) >= MAX_COPIES:
            self._metrics.not_compared(model, candidate.version, "dropped")
            return
        # A task of its own: the request is over, and its connection is wanted for the next one.
        copy = asyncio.create_task(self._copy(candidate, experiment.id, model, request_id, instances, predictions))
        self._copies.add(copy)
        copy.add_done_callback(self._ended)

    async def _copy(
        self,
        candidate: Variant,
        experiment: str,
        model: str,
        request_id: str,
        instances: Sequence[Any],
        answered: Sequence[BaseModel],
    ) -> None:
        calls = self._calls[model]
        calls.keep([candidate])
        if candidate.url is None or calls.refused_s(candidate):
            calls.not_called(candidate, "skipped")
            self._metrics.not_compared(model, candidate.version, "failed")
            return
        body = orjson.dumps({"instances": instances})
        try:
            async with asyncio.timeout(self._timeouts_s[model]) as deadline:
                copied, served = await calls.call(candidate, body, len(instances), request_id, deadline)
        except (ProblemError, GoneError, TimeoutError):
            self._metrics.not_compared(model, candidate.version, "failed")
            return
        found = compare(answered, copied)
        comparison = ShadowComparison(
            request_id=request_id,
            experiment=experiment,
            model=model,
            version=served.version,
            agreement=found.agreement,
            score_difference=found.score_difference,
            occurred_at=datetime.now(UTC),
            source=SOURCE,
        )
        self._metrics.compared(comparison)
        self._log.append_soon(comparison)

    def _ended(self, copy: "asyncio.Task[None]") -> None:
        self._copies.discard(copy)
        if not copy.cancelled() and (error := copy.exception()) is not None:
            logger.error("A copy could not be compared", exc_info=error)
