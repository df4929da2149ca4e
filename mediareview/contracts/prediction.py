"""What the public API asks a predictor and what it answers: the instances and predictions of KServe's V1 protocol."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat


def _named(*names: str) -> Callable[[dict[str, float]], dict[str, float]]:
    def check(scores: dict[str, float]) -> dict[str, float]:
        if scores.keys() != set(names):
            raise ValueError(f"these must be the scores of {', '.join(names)}")
        return scores

    return check


Probability = Annotated[float, Field(ge=0, le=1)]


class RecommendationRequest(BaseModel):
    """One person to recommend to: a known ``user_id``, a ``history`` of an anonymous visitor, or both."""

    model_config = ConfigDict(extra="forbid")

    user_id: str | None = None
    history: list[str] = Field(default_factory=list, max_length=1000)
    """Titles consumed, oldest first; added to what the feature store knows of the user."""
    exclude: list[str] = Field(default_factory=list, max_length=10_000)
    """Titles never to show: hidden or blocked."""
    limit: int = Field(default=20, ge=1, le=100)


class RecommendedItem(BaseModel):
    """A title to show."""

    media_id: str
    title: str
    score: FiniteFloat
    reasons: list[str] = Field(default_factory=list)
    """For example ``because you watched Alien (1979)``."""


class RecommendationPrediction(BaseModel):
    """Titles, best first. ``fallback`` says why they are not personal, if they are not."""

    items: list[RecommendedItem]
    fallback: Literal["unknown_user", "no_history"] | None = None


class TextRequest(BaseModel):
    """One text to judge."""

    model_config = ConfigDict(extra="forbid")

    text: str
    author_id: str | None = None


class SentimentPrediction(BaseModel):
    """The most likely label and calibrated probabilities that sum to 1."""

    label: Literal["negative", "neutral", "positive"]
    scores: Annotated[dict[str, Probability], AfterValidator(_named("negative", "neutral", "positive"))]


class ModerationPrediction(BaseModel):
    """What to do with a text, the probability of each category, and the evidence."""

    action: Literal["allow", "review", "block"]
    categories: Annotated[dict[str, Probability], AfterValidator(_named("spam", "abusive", "inappropriate"))]
    reasons: list[str] = Field(default_factory=list)
