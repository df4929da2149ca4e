"""What callers send and get, as OpenAPI shows it. What the API sends to predictors is in the contracts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from mediareview.contracts.events import Stars
from mediareview.contracts.record import Identifier, Timestamp
from serving.api.limits import (
    MAX_EXCLUDED,
    MAX_FEEDBACK_ITEMS,
    MAX_HISTORY,
    MAX_ITEMS,
    MAX_LABEL_LENGTH,
    MAX_RECOMMENDATIONS,
    MAX_TEXT_BYTES,
)


def _judgeable(text: str) -> str:
    size = len(text.encode())
    if size > MAX_TEXT_BYTES:
        raise ValueError(f"the text has {size} bytes in UTF-8; send at most {MAX_TEXT_BYTES}, or split it")
    if "\x00" in text:
        raise ValueError("the text holds a NUL character; remove it")
    return text


def _moment(value: Any) -> datetime:
    """Read an RFC 3339 timestamp; the contract's numbers and bare dates are for files."""
    try:
        if isinstance(value, str) and len(value) > len("2026-01-01"):
            return datetime.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError("send a timestamp such as 2026-11-23T18:05:11Z")


Text = Annotated[
    str,
    Field(min_length=1, description=f"What a person wrote, at most {MAX_TEXT_BYTES} bytes in UTF-8, without NUL."),
    AfterValidator(_judgeable),
]
ItemId = Annotated[Identifier, Field(description="Your id of the item, unique in the call; the answer repeats it.")]
UserId = Annotated[Identifier, Field(description="A user of the network.", examples=["196"])]
Asker = Annotated[
    Identifier | None,
    Field(
        description="Who is asking or wrote it. Decides which variant answers, and is not sent to the model.",
        examples=["196"],
    ),
]
MediaId = Annotated[Identifier, Field(examples=["50"])]
Limit = Annotated[int, Field(ge=1, le=MAX_RECOMMENDATIONS, description="How many titles to return.")]
Occurred = Annotated[Timestamp, Field(strict=False), BeforeValidator(_moment, json_schema_input_type=datetime)]


class Identified(Protocol):
    """Something with an id."""

    @property
    def id(self) -> str: ...  # noqa: D102


def _distinct(items: Sequence[Identified]) -> Sequence[Identified]:
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        if first.setdefault(item.id, index) != index:
            raise ValueError(f"items {first[item.id]} and {index} have the same id; ids must differ within a call")
    return items


class RequestBody(BaseModel):
    """Base of all request bodies: unknown fields are refused, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True)


class RecommendationsQuery(BaseModel):
    """The query of ``GET /api/ml/recommendations``."""

    model_config = ConfigDict(extra="forbid")

    user_id: UserId
    limit: Limit = 20


class RecommendationsBody(RequestBody):
    """A known user, an anonymous visitor with a history, or both."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"history": ["50", "181", "172"], "limit": 5}]})

    user_id: UserId | None = None
    history: list[MediaId] = Field(
        default_factory=list,
        max_length=MAX_HISTORY,
        description="Titles consumed, oldest first; added to what is known of the user, and never recommended.",
    )
    exclude: list[MediaId] = Field(
        default_factory=list, max_length=MAX_EXCLUDED, description="Titles not to show: hidden or blocked."
    )
    limit: Limit = 20


class SentimentItem(RequestBody):
    """A review to read."""

    id: ItemId
    text: Text


class SentimentBody(RequestBody):
    """Reviews to read."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{"id": "r1", "text": "A dull, lifeless film."}]}]}
    )

    items: Annotated[list[SentimentItem], Field(min_length=1, max_length=MAX_ITEMS), AfterValidator(_distinct)]
    user_id: Asker = None


class ModerationItem(RequestBody):
    """A text to moderate."""

    id: ItemId
    text: Text
    author_id: Identifier | None = Field(default=None, description="Who wrote it.")


class ModerationBody(RequestBody):
    """Texts to moderate."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{"id": "c1", "text": "you are an 1d10t", "author_id": "196"}]}]}
    )

    items: Annotated[list[ModerationItem], Field(min_length=1, max_length=MAX_ITEMS), AfterValidator(_distinct)]
    user_id: Asker = None


class FeedbackBody(RequestBody):
    """What happened to an answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "request_id": "01a2b3c4d5e6f708192a3b4c5d6e7f80",
                    "type": "click",
                    "event_id": "click-7781",
                    "user_id": "196",
                    "item_ids": ["50"],
                }
            ]
        }
    )

    request_id: Identifier = Field(description="The request_id of the answer that this is about.")
    type: Literal["impression", "click", "rating", "dismiss", "label", "appeal"]
    item_ids: list[Identifier] = Field(
        min_length=1,
        max_length=MAX_FEEDBACK_ITEMS,
        description="Titles shown or acted on, or ids of the items judged, in the order shown.",
    )
    event_id: Identifier | None = Field(
        default=None, description="Your id of the event: sending it again changes nothing. Made up here if absent."
    )
    occurred_at: Occurred | None = Field(
        default=None, description="When it happened, not in the future; now, if absent. Without an offset: UTC."
    )
    user_id: UserId | None = None
    rating: Stars | None = Field(default=None, description="Stars from 0.5 to 5; required for type rating.")
    label: Annotated[str, Field(min_length=1, max_length=MAX_LABEL_LENGTH)] | None = Field(
        default=None, description="The right label in the reporter's view; required for type label."
    )
    model: Identifier | None = Field(default=None, description="model.name of the answer.")
    version: Identifier | None = Field(default=None, description="model.version of the answer.")
    variant: Identifier | None = Field(default=None, description="model.variant of the answer.")

    @model_validator(mode="after")
    def _complete(self) -> "FeedbackBody":
        for needed in ("rating", "label"):
            if self.type == needed and getattr(self, needed) is None:
                raise ValueError(f"an event of type {needed} needs the field {needed}")
        return self


class Model(BaseModel):
    """Which model answered."""

    name: str = Field(examples=["sentiment"])
    version: str = Field(description="Version in the model registry.", examples=["3"])
    variant: str = Field(description="Which predictor of the model answered.", examples=["stable"])


class Answer(BaseModel):
    """What all answers of models carry."""

    model: Model
    request_id: str = Field(description="Name it in feedback and in questions to us; also in the header X-Request-ID.")


class Recommendation(BaseModel):
    """A title to show."""

    media_id: str = Field(examples=["318"])
    title: str = Field(examples=["Schindler's List"])
    score: float = Field(description="Higher is better; comparable within one answer only.")
    reasons: list[str] = Field(examples=[["because you watched Casablanca (1942)"]])


class Recommendations(Answer):
    """Titles, best first; fewer than asked for if no more are left."""

    user_id: str | None = Field(description="As asked; null for an anonymous visitor.")
    items: list[Recommendation]
    fallback: Literal["unknown_user", "no_history"] | None = Field(
        default=None, description="Present if the titles are popular ones instead of personal ones, and says why."
    )


class SentimentScores(BaseModel):
    """Calibrated probabilities that sum to 1."""

    positive: float = Field(ge=0, le=1)
    neutral: float = Field(ge=0, le=1)
    negative: float = Field(ge=0, le=1)


class Sentiment(BaseModel):
    """How a review reads."""

    id: str
    label: Literal["positive", "neutral", "negative"]
    scores: SentimentScores


class Sentiments(Answer):
    """One entry an item, in the order of the request."""

    items: list[Sentiment]


class ModerationCategories(BaseModel):
    """Probability of each category; they need not sum to 1."""

    spam: float = Field(ge=0, le=1)
    abusive: float = Field(ge=0, le=1)
    inappropriate: float = Field(ge=0, le=1)


class Moderation(BaseModel):
    """What to do with a text."""

    id: str
    action: Literal["allow", "review", "block"]
    categories: ModerationCategories
    reasons: list[str] = Field(description="The evidence, for a human moderator.")


class Moderations(Answer):
    """One entry an item, in the order of the request."""

    items: list[Moderation]


class Accepted(BaseModel):
    """The event is on disk."""

    event_id: str
    duplicate: bool = Field(description="Whether the same event was accepted before; it is kept once.")
    request_id: str = Field(description="Of this call; not that of the answer the event is about.")
