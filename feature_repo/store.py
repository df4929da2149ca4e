"""Feast from Python: the store that the settings describe, training sets, and materialisation."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from feast import FeatureStore, RepoConfig

from feature_repo.definitions import define
from feature_repo.online import TIMEOUT_S, telling_which_server
from mediareview.errors import MediaReviewError
from mediareview.feature_registry import fetch_registry, publish_registry
from mediareview.features import feast_configuration, offline_directory
from mediareview.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

Service = Literal["recommender", "sentiment", "moderation"]

_ROW = "training_set_row"


def open_store(settings: Settings) -> FeatureStore:
    """Return the feature store that the settings describe, with the registry as it was published last.

    Raises:
        MediaReviewError: the registry is on S3, which cannot be read.
    """
    (settings.root / "features").mkdir(parents=True, exist_ok=True)
    for file in (settings.online_store_file, settings.feature_registry_file):
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
    fetch_registry(settings)
    return FeatureStore(
        config=RepoConfig(repo_path=settings.root / "features", **feast_configuration(settings, TIMEOUT_S))
    )


def apply(settings: Settings) -> None:
    """Register entities, views and services, as ``feast apply`` does. Applying twice changes nothing.

    Raises:
        MediaReviewError: a server that holds the registry or the online store cannot be used.
    """
    with _feast(), telling_which_server(settings):
        open_store(settings).apply(list(define(offline_directory(settings))))
    publish_registry(settings)


def materialise(settings: Settings, until: datetime | None = None) -> None:
    """Write the newest features of every user and title up to a moment, by default now, to the online store.

    Everything is written again rather than what is newer than the last time: late events and corrected ratings
    change features of the past.

    Raises:
        MediaReviewError: a server that holds the registry or the online store cannot be used.
    """
    until = until or datetime.now(UTC)
    with _feast(), telling_which_server(settings):
        open_store(settings).materialize(start_date=datetime(1970, 1, 1, tzinfo=UTC), end_date=until)
    publish_registry(settings)


def training_set(entity_df: "pd.DataFrame", service: Service, settings: Settings) -> "pd.DataFrame":
    """Return the features of each row's entities as of the row's time, in columns ``VIEW__FEATURE`` beside its own.

    A row at time t sees only events strictly before t, because features are valid from a microsecond after them.

    Args:
        entity_df: one row per example, with ``event_timestamp`` (with a time zone), the join keys of the service
            (``user_id``, ``media_id``), and any other columns. The index is kept.
        service: name of the feature service.
        settings: where the store is.

    Raises:
        MediaReviewError: a key is missing, or Feast returned other rows than it was asked for.
    """
    import pandas as pd

    store = open_store(settings)
    features = store.get_feature_service(service)
    asked = entity_df.reset_index(drop=True)
    asked[_ROW] = range(len(asked))
    keys = [key for key in ("user_id", "media_id") if key in asked.columns]
    if "event_timestamp" not in asked.columns or not keys:
        raise MediaReviewError(
            "A training set needs event_timestamp and the keys of its features.", f"Columns given: {list(asked)}."
        )
    asked["event_timestamp"] = pd.to_datetime(asked["event_timestamp"], utc=True).astype("datetime64[us, UTC]")
    with _feast():
        # Full names (VIEW__FEATURE), because users and titles both have a rating_count.
        job = store.get_historical_features(asked[[_ROW, *keys, "event_timestamp"]], features, full_feature_names=True)
        found = job.to_df()
    # Feast changes the order of rows, and its file store loses some; only our own row number says which is which.
    found = found.drop(columns=[*keys, "event_timestamp"]).sort_values(_ROW, ignore_index=True)
    if found[_ROW].tolist() != list(range(len(asked))):
        raise MediaReviewError(
            f"Feast returned {len(found):,} rows ({found[_ROW].nunique():,} different ones) for {len(asked):,}.",
            "The offline store must be duckdb; the file store loses rows.",
        )
    merged = asked.merge(found, on=_ROW, validate="one_to_one").drop(columns=_ROW)
    merged.index = entity_df.index
    return merged


@contextmanager
def _feast() -> Iterator[None]:
    """Keep Feast's messages off stdout, which holds results only, and close the DuckDB session it opens.

    Feast reads Parquet through ibis' default backend. Left open, it holds memory, and DuckDB complains of leaks in a
    page of text when the process ends.
    """
    import ibis

    before = ibis.options.default_backend
    ibis.options.default_backend = None
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        ibis.options.default_backend = before
