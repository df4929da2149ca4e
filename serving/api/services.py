"""What the endpoints work with: a client for each model, experiments, the feedback log, the metrics."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from mediareview.contracts import Feedback
from mediareview.contracts.prediction import ModerationPrediction, RecommendationPrediction, SentimentPrediction
from mediareview.settings import Settings
from serving.api.calls import Prediction
from serving.api.directory import PredictorDirectory
from serving.api.events import EventLog
from serving.api.experiments import Experiments
from serving.api.feedback_log import FeedbackLog
from serving.api.journal import Journal
from serving.api.metrics import ApiMetrics
from serving.api.predictors import PredictorClient
from serving.api.shadow import Shadow


@dataclass(frozen=True)
class Services:
    """What the endpoints work with."""

    recommender: PredictorClient[RecommendationPrediction]
    sentiment: PredictorClient[SentimentPrediction]
    moderation: PredictorClient[ModerationPrediction]
    experiments: Experiments
    shadow: Shadow
    events: FeedbackLog
    metrics: ApiMetrics
    directory: PredictorDirectory
    exploration_share: float
    """Share of the recommendations whose order is randomised, 0 to 0.5."""

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

        recommender = RecommendationPrediction, settings.recommendations_timeout_s
        sentiment = SentimentPrediction, settings.sentiment_timeout_s
        moderation = ModerationPrediction, settings.moderation_timeout_s
        shadowed: dict[str, tuple[type[BaseModel], float]] = {
            "recommender": recommender,
            "sentiment": sentiment,
            "moderation": moderation,
        }
        return cls(
            client("recommender", *recommender),
            client("sentiment", *sentiment),
            client("moderation", *moderation),
            Experiments(settings, directory, metrics),
            Shadow(settings, directory, metrics, shadowed),
            FeedbackLog(EventLog(Journal(settings.events / Feedback.table), committed=metrics.committed)),
            metrics,
            directory,
            settings.exploration_share,
        )

    @property
    def clients(self) -> tuple[PredictorClient[Any], ...]:
        """The clients of all models."""
        return self.recommender, self.sentiment, self.moderation

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open what must be open to serve; at the end store what still waits, and close it."""
        async with AsyncExitStack() as stack:
            for log in (self.events, self.experiments):
                await log.start()
                stack.push_async_callback(log.close)
            await self.directory.open()
            stack.push_async_callback(self.directory.close)
            await self.shadow.start()
            stack.push_async_callback(self.shadow.close)
            for client in self.clients:
                await client.open()
                stack.push_async_callback(client.close)
            yield
