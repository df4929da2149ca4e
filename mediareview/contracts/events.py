"""What people do: ratings, reviews, interactions, and feedback on what the models answered."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mediareview.contracts.record import Identifier, Record, Text, Timestamp

Stars = Annotated[float, Field(ge=0.5, le=5.0, description="Stars from 0.5 to 5.")]
SentimentLabel = Literal["negative", "neutral", "positive"]
Split = Literal["train", "test"]


class Rating(Record):
    """A person rates a title."""

    table: ClassVar[str] = "ratings"
    key: ClassVar[tuple[str, ...]] = ("user_id", "media_id", "rated_at")

    user_id: Identifier
    media_id: Identifier
    rating: Stars
    rated_at: Timestamp
    source: str = ""
    """Data set or system the row came from."""


class Review(Record):
    """A person writes about a title. ``sentiment`` is a human label where the source has one."""

    table: ClassVar[str] = "reviews"
    key: ClassVar[tuple[str, ...]] = ("review_id",)

    review_id: Identifier
    text: Text
    user_id: Identifier | None = None
    media_id: Identifier | None = None
    title: str | None = None
    """Name of the title reviewed, where the source gives a name instead of an id."""
    rating: Stars | None = None
    sentiment: SentimentLabel | None = None
    split: Split | None = None
    """The published split, where the source has one."""
    created_at: Timestamp | None = None
    source: str = ""


class Interaction(Record):
    """A person views, opens, likes, dismisses or hides a title."""

    table: ClassVar[str] = "interactions"
    key: ClassVar[tuple[str, ...]] = ("interaction_id",)

    interaction_id: Identifier
    user_id: Identifier
    media_id: Identifier
    type: Literal["view", "click", "like", "list", "dismiss", "hide", "block"]
    occurred_at: Timestamp
    source: str = ""


class Feedback(Record):
    """What happened to an answer of ``/api/ml``, joined to it by ``request_id``."""

    table: ClassVar[str] = "feedback"
    key: ClassVar[tuple[str, ...]] = ("event_id",)

    event_id: Identifier
    request_id: Identifier
    type: Literal["impression", "click", "rating", "dismiss", "label", "appeal"]
    occurred_at: Timestamp
    user_id: Identifier | None = None
    item_ids: list[str] = Field(default_factory=list)
    """Titles shown or acted on, or ids of the items judged, in the order shown."""
    rating: Stars | None = None
    label: str | None = None
    """The right label in the reporter's view, for ``label`` and ``appeal``."""
    model: str | None = None
    version: str | None = None
    variant: str | None = None
    source: str = ""
    """Where the event was recorded: ``api``, or the data set it came from."""
