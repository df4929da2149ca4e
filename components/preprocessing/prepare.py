"""From the lake's events to features that can be read: catalogue, behaviour, Parquet for Feast, online store."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

import feature_repo
import mediareview.features
import mediareview.text
from components.preprocessing.catalogue import CATALOGUE_SCHEMA, LinkSummary, build_catalogue
from mediareview.console import console
from mediareview.contracts import CONTRACTS, arrow_schema
from mediareview.errors import MediaReviewError
from mediareview.features import FEATURE_TABLES, offline_directory
from mediareview.lake import Lake
from mediareview.settings import Settings

INPUTS = ("media", "ratings", "reviews", "interactions", "moderation")
"""Lake tables that features are made of. ``media`` must exist; the others may be missing."""

Progress = Callable[[str], None]


class FeatureSummary(BaseModel):
    """What the features were made of and what came out."""

    digest: str
    """Of the pinned inputs and of the code: equal digests give equal features."""
    pins: dict[str, int]
    """Version of each input table."""
    versions: dict[str, int] = {}
    """Version of each table written."""
    rows: dict[str, int] = {}
    """Rows of each table written."""
    links: LinkSummary = LinkSummary()
    keywords: int = 0
    """Titles with keywords."""
    reused: bool = False
    """Whether the work was skipped because nothing had changed."""


def prepare_features(
    lake: Lake, settings: Settings, pins: Mapping[str, int] | None = None, progress: Progress | None = None
) -> FeatureSummary:
    """Build the catalogue and all features, export them for Feast, and fill the online store.

    Nothing is done if inputs and code are those of the last time. An interrupted run is simply run again.

    Args:
        lake: where the events are and the tables ``catalogue`` and ``FEATURE_TABLES`` go.
        settings: where Feast's files are.
        pins: versions of the input tables to read; the newest if None.
        progress: told what is being done; prints to stderr if None.

    Raises:
        MediaReviewError: there are no titles, or a pinned version is gone.
    """
    say = progress or (lambda message: console.print(f"  {message}"))
    pins = {name: version for name, version in (pins or _newest(lake)).items() if name in INPUTS}
    record = settings.root / "features" / "prepared.json"
    summary = FeatureSummary(digest=_digest(lake, pins), pins=dict(pins))
    last = _last(record)
    if last and last.digest == summary.digest and _is_current(last, lake, settings):
        say("features are up to date")
        return last.model_copy(update={"reused": True})
    record.unlink(missing_ok=True)

    _catalogue(lake, pins, summary, say, settings)
    _behaviour(lake, pins, summary, settings)
    counts = ", ".join(f"{rows:,} {name}" for name, rows in summary.rows.items())
    say(f"wrote {counts}")

    from feature_repo.store import apply, materialise

    for name in FEATURE_TABLES:
        export(lake, name, summary.versions[name], offline_directory(settings))
    with console.status("filling the online store"):
        apply(settings)
        materialise(settings)
    say("filled the online store")
    partial = record.with_suffix(".partial")
    partial.write_text(summary.model_dump_json(indent=2))
    partial.replace(record)
    return summary


def check_prepared(pins: Mapping[str, int], settings: Settings) -> None:
    """Check that Feast reads the pinned versions of the feature tables.

    Raises:
        MediaReviewError: it reads others, because features were prepared again since.
    """
    last = _last(settings.root / "features" / "prepared.json")
    held = last.versions if last else {}
    for table in FEATURE_TABLES:
        if held.get(table) != pins[table]:
            raise MediaReviewError(
                f"The run pinned version {pins[table]} of {table}, but the feature store holds {held.get(table)}.",
                "Features were prepared again meanwhile. Run the pipeline again.",
            )


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


def _newest(lake: Lake) -> dict[str, int]:
    return lake.pin(name for name in INPUTS if lake.exists(name))


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


def _digest(lake: Lake, pins: Mapping[str, int]) -> str:
    digest = hashlib.sha256(json.dumps([lake.url, sorted(pins.items())]).encode())
    folders = [Path(__file__).parent, Path(feature_repo.__file__).parent, Path(mediareview.text.__file__).parent]
    files = [Path(mediareview.features.__file__), *(path for folder in folders for path in folder.rglob("*.py"))]
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _last(record: Path) -> FeatureSummary | None:
    return FeatureSummary.model_validate_json(record.read_bytes()) if record.is_file() else None


def _is_current(last: FeatureSummary, lake: Lake, settings: Settings) -> bool:
    """Whether all that the last run wrote is still there."""
    files = [offline_directory(settings) / f"{name}.parquet" for name in FEATURE_TABLES]
    files += [file for file in (settings.online_store_file, settings.feature_registry_file) if file is not None]
    return all(file.is_file() for file in files) and all(
        lake.exists(name) and lake.version(name) == version for name, version in last.versions.items()
    )
