"""What producers and readers of features share: vocabularies, names, and the one configuration of Feast."""

from pathlib import Path
from typing import Any

from mediareview.settings import Settings

GENRES = (
    "Action", "Adventure", "Animation", "Biography", "Comedy", "Crime", "Documentary", "Drama", "Family", "Fantasy",
    "Film-Noir", "History", "Horror", "Music", "Musical", "Mystery", "Romance", "Sci-Fi", "Sport", "Thriller", "War",
    "Western",
)  # fmt: skip
"""Genres in the order of every genre affinity vector."""

HISTORY_LENGTH = 1000
"""How many of a user's newest ratings the feature store keeps for serving."""

PROJECT = "mediareview"
"""Name of the Feast project."""

FEATURE_TABLES = ("user_features", "user_profiles", "media_features")
"""Lake tables of features. Each is exported to one Parquet file, from which Feast reads."""


def offline_directory(settings: Settings) -> Path:
    """Directory of the Parquet files from which Feast reads."""
    return settings.root / "features" / "offline"


def feast_configuration(settings: Settings) -> dict[str, Any]:
    """Return the content of ``feature_store.yaml`` for these settings, with absolute paths."""
    return {
        "project": PROJECT,
        "provider": "local",
        "registry": {"path": str(settings.feature_registry_file or settings.feature_registry_url)},
        "offline_store": {"type": "duckdb"},
        "online_store": {"type": "sqlite", "path": str(settings.online_store_file)},
        "entity_key_serialization_version": 3,
    }
