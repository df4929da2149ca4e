"""From the lake's events to features that can be read: catalogue, behaviour, Parquet for Feast, online store."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.preprocessing.catalogue import CATALOGUE_SCHEMA, build_catalogue
from components.preprocessing.record import (
    INPUTS,
    FeatureSummary,
    forget,
    input_digest,
    keep,
    last_prepared,
    newest_pins,
    preparing_alone,
    why_not_computed,
    why_not_filled,
)
from components.preprocessing.spark_application import KUBERNETES, run_application
from feature_repo.online import mark_filled
from mediareview.console import console
from mediareview.contracts import CONTRACTS, arrow_schema
from mediareview.errors import MediaReviewError
from mediareview.features import FEATURE_TABLES, offline_directory
from mediareview.lake import Lake
from mediareview.settings import Settings

Progress = Callable[[str], None]


def prepare_features(
    lake: Lake, settings: Settings, pins: Mapping[str, int] | None = None, progress: Progress | None = None
) -> FeatureSummary:
    """Build the catalogue and all features, export them for Feast, and fill the online store.

    Nothing is done if inputs and code are those of the last time, and only what is lost is written again. An
    interrupted run is simply run again; of two at a time the second waits for the first.

    Args:
        lake: where the events are and the tables ``catalogue`` and ``FEATURE_TABLES`` go.
        settings: where Feast's files are, and the engine. With ``kubernetes://`` a SparkApplication does all of this,
            on the same volume.
        pins: versions of the input tables to read; the newest if None.
        progress: told what is being done; prints to stderr if None.

    Raises:
        MediaReviewError: there are no titles, a pinned version is gone, or a server or the engine cannot be used.
    """
    say = progress or (lambda message: console.print(f"  {message}"))
    pins = {name: version for name, version in (pins or newest_pins(lake)).items() if name in INPUTS}
    digest = input_digest(lake, pins)
    if settings.engine_url.startswith(KUBERNETES):
        last = last_prepared(settings)
        if last is None or why_not_computed(last, digest, pins, lake):
            # Without the lock, which the application needs.
            run_application(settings.engine_url.removeprefix(KUBERNETES), digest, pins, say)
            return _of_application(digest, settings)
    with preparing_alone(settings, say):
        last = last_prepared(settings)
        if last is None or why_not_computed(last, digest, pins, lake):
            forget(settings)
            summary = _compute(lake, pins, digest, settings, say)
            keep(summary, settings)
        elif not why_not_filled(last, settings):
            say("features are up to date")
            return last.model_copy(update={"reused": True})
        else:
            summary = last.model_copy(update={"filled": False})
            keep(summary, settings)
        _fill(lake, summary, settings)
        say("filled the online store")
        filled = summary.model_copy(update={"filled": True})
        keep(filled, settings)
    return filled


def _of_application(digest: str, settings: Settings) -> FeatureSummary:
    last = last_prepared(settings)
    if last is None or last.digest != digest or not last.filled:
        raise MediaReviewError(
            f"The SparkApplication is complete, but its features are not in {settings.root}.",
            "Its driver must mount the same volume as MEDIAREVIEW_HOME, and its image be of the same version.",
        )
    return last


def _compute(lake: Lake, pins: dict[str, int], digest: str, settings: Settings, say: Progress) -> FeatureSummary:
    summary = FeatureSummary(digest=digest, pins=pins)
    _catalogue(lake, pins, summary, say, settings)
    _behaviour(lake, pins, summary, settings)
    counts = ", ".join(f"{rows:,} {name}" for name, rows in summary.rows.items())
    say(f"wrote {counts}")
    return summary


def _fill(lake: Lake, summary: FeatureSummary, settings: Settings) -> None:
    from feature_repo.store import apply, materialise

    for name in FEATURE_TABLES:
        export(lake, name, summary.versions[name], offline_directory(settings))
    with console.status("filling the online store"):
        apply(settings)
        materialise(settings)
        mark_filled(settings, summary.digest)


def export(lake: Lake, table: str, version: int, directory: Path) -> Path:
    """Write a version of a lake table to ``directory/TABLE.parquet``, batch by batch, and return the file.

    Feast reads plain Parquet: its Delta format needs a DuckDB extension that is downloaded when it runs.
    """
    import pyarrow.parquet as pq

    directory.mkdir(parents=True, exist_ok=True)
    dataset = lake.dataset(table, version)
    target, partial = directory / f"{table}.parquet", directory / f".{table}.parquet.partial"
    with pq.ParquetWriter(partial, dataset.schema, compression="zstd", coerce_timestamps="us") as writer:
        for batch in dataset.to_batches():
            writer.write_batch(batch)
    partial.replace(target)
    return target


def _catalogue(lake: Lake, pins: Mapping[str, int], summary: FeatureSummary, say: Progress, settings: Settings) -> None:
    if "media" not in pins:
        raise MediaReviewError("The lake has no titles.", "Ingest some: mediareview ingest media PATH.")
    from components.preprocessing.keywords import title_keywords

    media = _read(lake, "media", pins).to_pylist()
    ratings = _read(lake, "ratings", pins, ["media_id"])
    titles, summary.links = build_catalogue(media, Counter(ratings.column("media_id").to_pylist()))
    say(
        f"linked {summary.links.linked:,} of {summary.links.rows:,} descriptions, {summary.links.ambiguous:,} ambiguous"
    )
    reviews = _read(lake, "reviews", pins, ["text", "media_id", "title"]).to_pylist()
    with console.status("reading plots and reviews for keywords"):
        keywords = title_keywords(titles, reviews, settings)
    for row in titles:
        row["keywords"] = keywords.get(row["media_id"], [])
    summary.keywords = len(keywords)
    say(f"found keywords of {len(keywords):,} titles")
    catalogue = pa.Table.from_pylist(titles, schema=CATALOGUE_SCHEMA)
    summary.versions["catalogue"] = lake.replace("catalogue", catalogue)
    summary.rows["catalogue"] = catalogue.num_rows


def _behaviour(lake: Lake, pins: Mapping[str, int], summary: FeatureSummary, settings: Settings) -> None:
    from components.preprocessing.engines import open_engine
    from components.preprocessing.feature_tables import feature_expressions, scan_inputs

    versions = {**pins, "catalogue": summary.versions["catalogue"]}
    with open_engine(settings) as engine:
        for name, expression in feature_expressions(scan_inputs(engine, lake, versions)).items():
            with console.status(f"computing {name}"):
                summary.versions[name] = engine.write(lake, name, expression)
            summary.rows[name] = lake.dataset(name, summary.versions[name]).count_rows()


def _read(lake: Lake, table: str, pins: Mapping[str, int], columns: Iterable[str] | None = None) -> Any:
    names = list(columns) if columns else None
    return _dataset(lake, table, pins).to_table(columns=names)


def _dataset(lake: Lake, table: str, pins: Mapping[str, int]) -> Any:
    """Return a pinned table, or one without rows where there is none."""
    import pyarrow.dataset as ds

    if table in pins:
        return lake.dataset(table, pins[table])
    return ds.dataset(arrow_schema(CONTRACTS[table]).empty_table())
