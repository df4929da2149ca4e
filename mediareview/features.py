"""What producers and readers of features share: vocabularies, names, and the one configuration of Feast."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from mediareview.errors import MediaReviewError
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


def feast_configuration(settings: Settings, online_timeout_s: float = 30.0) -> dict[str, Any]:
    """Return the content of ``feature_store.yaml`` for these settings, with absolute paths.

    Args:
        settings: where registry and online store are.
        online_timeout_s: longest wait for an online store that is a server, in seconds.

    Raises:
        MediaReviewError: the URL of the online store has an option that is not known.
    """
    return {
        "project": PROJECT,
        "provider": "local",
        "registry": {"path": str(settings.feature_registry_file)},
        "offline_store": {"type": "duckdb"},
        "online_store": _online_store(settings, online_timeout_s),
        "entity_key_serialization_version": 3,
    }


def _online_store(settings: Settings, timeout_s: float) -> dict[str, Any]:
    if settings.online_store_file is not None:
        return {"type": "sqlite", "path": str(settings.online_store_file)}
    return {
        "type": "redis",
        "connection_string": _connection_string(settings.online_store_url.get_secret_value(), timeout_s),
        # Otherwise a row is kept from being corrected by another of the same time, as late events and judgements do.
        "skip_dedup": True,
    }


def _connection_string(url: str, timeout_s: float) -> str:
    """Return Feast's form of a Redis URL: ``host:port,name=value,...``, with values in JSON."""
    parts = urlsplit(url)
    options: dict[str, Any] = {
        "db": int(parts.path.strip("/") or 0),
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        # Its client's own retries would take seconds of a request's time.
        "retry": None,
        **({"username": unquote(parts.username)} if parts.username else {}),
        **({"password": unquote(parts.password)} if parts.password else {}),
        **({"ssl": True} if parts.scheme == "rediss" else {}),
    }
    for name, value in parse_qsl(parts.query):
        if name != "ssl_ca_certs":
            raise MediaReviewError(
                f"MEDIAREVIEW_ONLINE_STORE_URL has the unknown option {name!r}.",
                "Only ssl_ca_certs is known: a file with the certificate authority of a rediss:// server.",
            )
        options[name] = value
    # Feast splits at commas without looking at quotes.
    values = [f"{name}={json.dumps(value)}".replace(",", r"\u002c") for name, value in options.items()]
    return ",".join([f"{parts.hostname}:{parts.port or 6379}", *values])
