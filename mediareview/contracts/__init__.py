"""Typed contracts of every event and table. Producers and consumers share them; JSON Schemas are made from them."""

from mediareview.contracts.events import Feedback, Interaction, Rating, Review
from mediareview.contracts.experiments import Exposure, RolloutChange, ServedAnswer, ShadowComparison
from mediareview.contracts.media import Media
from mediareview.contracts.moderation import ModerationLabel
from mediareview.contracts.record import MAX_TEXT_BYTES, Record, Timestamp
from mediareview.contracts.rejected import DeadLetter
from mediareview.contracts.schema import arrow_schema, json_schemas, to_arrow

CONTRACTS: dict[str, type[Record]] = {
    contract.table: contract
    for contract in (
        Rating,
        Review,
        Interaction,
        Media,
        ModerationLabel,
        Feedback,
        Exposure,
        ServedAnswer,
        ShadowComparison,
        RolloutChange,
        DeadLetter,
    )
}
"""Table name to contract."""

__all__ = [
    "CONTRACTS",
    "MAX_TEXT_BYTES",
    "DeadLetter",
    "Exposure",
    "Feedback",
    "Interaction",
    "Media",
    "ModerationLabel",
    "Rating",
    "Record",
    "Review",
    "RolloutChange",
    "ServedAnswer",
    "ShadowComparison",
    "Timestamp",
    "arrow_schema",
    "json_schemas",
    "to_arrow",
]
