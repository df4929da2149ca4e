"""The feature tables as expressions over tables of the lake, the same for every engine."""

from collections.abc import Mapping
from typing import Any

from components.preprocessing.behaviour import media_features, user_events, user_features
from components.preprocessing.catalogue import CATALOGUE_SCHEMA
from components.preprocessing.engines import Engine
from components.preprocessing.profiles import title_people, user_profiles
from mediareview.contracts import CONTRACTS, arrow_schema
from mediareview.lake import Lake

COLUMNS = {
    "ratings": ("user_id", "media_id", "rating", "rated_at"),
    "reviews": ("user_id", "created_at"),
    "interactions": ("user_id", "media_id", "type", "occurred_at"),
    "moderation": ("author_id", "labelled_at", "spam", "abusive", "inappropriate"),
    "catalogue": ("media_id", "genres", "directors", "cast", "year"),
}
"""What the expressions read of which table."""


def scan_inputs(engine: Engine, lake: Lake, versions: Mapping[str, int]) -> dict[str, Any]:
    """Return the tables of ``COLUMNS`` at given versions as ibis tables; one without a version has no rows."""
    tables = {}
    for name, columns in COLUMNS.items():
        if name in versions:
            tables[name] = engine.scan(lake, name, versions[name], columns)
        else:
            schema = CATALOGUE_SCHEMA if name == "catalogue" else arrow_schema(CONTRACTS[name])
            tables[name] = engine.table(name, schema.empty_table().select(columns))
    return tables


def feature_expressions(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the expression of each of ``FEATURE_TABLES`` over ibis tables with the columns of ``COLUMNS``."""
    titles = tables["catalogue"]
    events = user_events(
        tables["ratings"], titles.select("media_id", "genres"), tables["reviews"], tables["moderation"]
    )
    return {
        "user_features": user_features(events),
        "user_profiles": user_profiles(tables["ratings"], tables["interactions"], title_people(titles)),
        "media_features": media_features(tables["ratings"], titles.select("media_id", "year")),
    }
