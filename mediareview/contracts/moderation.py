"""What moderators decided about a text."""

from typing import ClassVar, Literal

from mediareview.contracts.events import Split
from mediareview.contracts.record import Identifier, Record, Text, Timestamp

CATEGORIES = ("spam", "abusive", "inappropriate")
"""Moderation categories, in the order of every score vector."""


class ModerationLabel(Record):
    """A text with a verdict per category; ``None`` means nobody judged that category."""

    table: ClassVar[str] = "moderation"
    key: ClassVar[tuple[str, ...]] = ("item_id",)

    item_id: Identifier
    text: Text
    spam: bool | None = None
    abusive: bool | None = None
    inappropriate: bool | None = None
    label_source: Literal["human", "weak", "template"] = "human"
    """``weak``: a rule or lexicon decided; ``template``: the text itself was generated."""
    author_id: Identifier | None = None
    split: Split | None = None
    labelled_at: Timestamp | None = None
    source: str = ""
