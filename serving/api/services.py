"""What the endpoints work with: a client for each model, the event log, the metrics."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mediareview.contracts.prediction import ModerationPrediction, RecommendationPrediction, SentimentPrediction
from mediareview.settings import Settings
from serving.api.directory import PredictorDirectory
from serving.api.events import EventLog
from serving.api.journal import Journal
from serving.api.metrics import ApiMetrics
from serving.api.predictors import Prediction, PredictorClient

SOURCE = "api"
"""What events recorded here name as their source."""


@dataclass(frozen=True)
class Services:
    """What the endpoints work with."""

    recommender: PredictorClient[RecommendationPrediction]
    sentiment: PredictorClient[SentimentPrediction]
    moderation: PredictorClient[ModerationPrediction]
    events: EventLog
    metrics: ApiMetrics
    directory: PredictorDirectory

    @classmethod
    def from_settings(cls, settings: Settings, directory: PredictorDirectory, metrics: ApiMetrics) -> "Services":
        """Make them as the settings say."""

        def client(model: str, prediction: type[Prediction], timeout_s: float) -> PredictorClient[Prediction]:
            return PredictorClient(
                model,
                prediction,
                directory,
                timeout_s=timeout_s,
                concurrency=settings.predictor_concurrency,
                metrics=metrics,
            )

        return cls(
            client("recommender", RecommendationPrediction, settings.recommendations_timeout_s),
            client("sentiment", SentimentPrediction, settings.sentiment_timeout_s),
            client("moderation", ModerationPrediction, settings.moderation_timeout_s),
            EventLog(Journal(settings.events / "feedback"), committed=metrics.committed),
            metrics,
            directory,
        )

    @property
    def clients(self) -> tuple[PredictorClient[Any], ...]:
        """The clients of all models."""
        return self.recommender, self.sentiment, self.moderation

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open what must be open to serve; at the end store what still waits, and close it."""
        async with AsyncExitStack() as stack:
            await self.events.start()
            stack.push_async_callback(self.events.close)
            await self.directory.open()
            stack.push_async_callback(self.directory.close)
            for client in self.clients:
                await client.open()
                stack.push_async_callback(client.close)
            yield
