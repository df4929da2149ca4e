"""Feast's definitions: entities, sources, feature views, and one feature service per model.

``feast`` commands run in this folder find the objects at the end of the module; ``feature_repo.store`` builds the same
ones for any settings.
"""

from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from feast import Entity, FeatureService, FeatureView, Field, FileSource
from feast.types import Array, Float32, Float64, Int64, String, UnixTimestamp
from feast.value_type import ValueType

TTL = timedelta(days=36_500)
"""Features do not expire: demo ratings are from 1998, and the newest row describes an entity until its next one."""

DEFAULT_OFFLINE_DIRECTORY = Path(__file__).resolve().parent.parent / ".mediareview" / "features" / "offline"
"""Where a checkout with default settings keeps the exported features; matches ``feature_store.yaml``."""


class Definitions(NamedTuple):
    """Everything that ``feast apply`` registers."""

    user: Entity
    media: Entity
    user_activity: FeatureView
    user_taste: FeatureView
    user_conduct: FeatureView
    user_profile: FeatureView
    media_popularity: FeatureView
    recommender: FeatureService
    sentiment: FeatureService
    moderation: FeatureService


def define(offline: Path) -> Definitions:
    """Return the definitions over the Parquet files of a directory.

    Args:
        offline: directory with one file per table of ``mediareview.features.FEATURE_TABLES``.
    """
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING, description="A person.")
    media = Entity(name="media", join_keys=["media_id"], value_type=ValueType.STRING, description="A title.")

    def view(name: str, entity: Entity, table: str, description: str, schema: list[Field]) -> FeatureView:
        source = FileSource(name=name, path=str(offline / f"{table}.parquet"), timestamp_field="event_timestamp")
        return FeatureView(
            name=name, entities=[entity], ttl=TTL, schema=schema, source=source, description=description, online=True
        )

    user_activity = view(
        "user_activity", user, "user_features", "How much, how recently and how kindly a user rates.",
        [
            Field(name="rating_count", dtype=Int64),
            Field(name="rating_mean", dtype=Float64, description="stars"),
            Field(name="rating_spread", dtype=Float64, description="standard deviation, stars"),
            Field(name="high_share", dtype=Float64, description="share of ratings of 4 stars or more"),
            Field(name="ratings_7d", dtype=Int64),
            Field(name="ratings_30d", dtype=Int64),
            Field(name="last_rated_at", dtype=UnixTimestamp),
            Field(name="account_age_days", dtype=Float64, description="at the time of the row"),
            Field(name="recency_days", dtype=Float64, description="since the last rating, at the time of the row"),
        ],
    )  # fmt: skip
    user_taste = view(
        "user_taste", user, "user_features", "What a user likes above the own average.",
        [Field(name="genre_affinity", dtype=Array(Float32), description="stars, by mediareview.features.GENRES")],
    )  # fmt: skip
    user_conduct = view(
        "user_conduct", user, "user_features", "What a user writes and how moderators judged it.",
        [
            Field(name="first_seen_at", dtype=UnixTimestamp),
            Field(name="review_count", dtype=Int64),
            Field(name="reviews_30d", dtype=Int64),
            Field(name="judged_count", dtype=Int64),
            Field(name="flagged_count", dtype=Int64),
        ],
    )  # fmt: skip
    user_profile = view(
        "user_profile", user, "user_profiles", "What a user consumed, blocked and favours, by active day.",
        [
            Field(name="history_media_ids", dtype=Array(String), description="oldest first"),
            Field(name="history_ratings", dtype=Array(Float32), description="stars, beside the history"),
            Field(name="blocked_media_ids", dtype=Array(String)),
            Field(name="favourite_people", dtype=Array(String), description="highest affinity first"),
        ],
    )  # fmt: skip
    media_popularity = view(
        "media_popularity", media, "media_features", "How often, how well and how lately a title is rated.",
        [
            Field(name="rating_count", dtype=Int64),
            Field(name="rating_mean", dtype=Float64, description="stars"),
            Field(name="rating_spread", dtype=Float64, description="standard deviation, stars"),
            Field(name="ratings_30d", dtype=Int64),
            Field(name="ratings_90d", dtype=Int64),
            Field(name="trend", dtype=Float64, description="log of recent over earlier rate"),
            Field(name="shrunk_mean", dtype=Float64, description="Bayesian mean, stars"),
            Field(name="age_years", dtype=Int64, description="since release"),
        ],
    )  # fmt: skip
    return Definitions(
        user=user,
        media=media,
        user_activity=user_activity,
        user_taste=user_taste,
        user_conduct=user_conduct,
        user_profile=user_profile,
        media_popularity=media_popularity,
        recommender=FeatureService(
            name="recommender", features=[user_profile, user_activity, user_taste, media_popularity]
        ),
        sentiment=FeatureService(name="sentiment", features=[user_activity, media_popularity]),
        moderation=FeatureService(name="moderation", features=[user_conduct]),
    )


(
    user,
    media,
    user_activity,
    user_taste,
    user_conduct,
    user_profile,
    media_popularity,
    recommender,
    sentiment,
    moderation,
) = define(DEFAULT_OFFLINE_DIRECTORY)
