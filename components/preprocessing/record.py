"""What features were prepared last, and whether that still holds."""

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

import feature_repo
import mediareview.features
import mediareview.text
from components.preprocessing.catalogue import LinkSummary
from feature_repo.online import is_filled
from mediareview.errors import MediaReviewError
from mediareview.features import FEATURE_TABLES, offline_directory
from mediareview.lake import Lake
from mediareview.settings import Settings

INPUTS = ("media", "ratings", "reviews", "interactions", "moderation")
"""Lake tables that features are made of. ``media`` must exist; the others may be missing."""


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
    filled: bool = False
    """Whether Feast reads them: they are exported, and the online store was filled with them."""
    reused: bool = False
    """Whether the work was skipped because nothing had changed."""


class FeatureStatus(BaseModel):
    """Whether features are up to date with the newest lake."""

    outdated: str
    """Why they are not; empty if they are."""
    newest: dict[str, int]
    """Newest version of each input table."""
    prepared: FeatureSummary | None
    """What was prepared last; None if nothing was, or if it was interrupted."""


def feature_status(lake: Lake, settings: Settings) -> FeatureStatus:
    """Compare what was prepared last with the newest lake, and with what is still there of it.

    Raises:
        MediaReviewError: the online store is a server that does not answer.
    """
    newest, last = newest_pins(lake), last_prepared(settings)
    if last is None:
        return FeatureStatus(outdated="no features were prepared yet", newest=newest, prepared=None)
    reason = why_not_computed(last, input_digest(lake, newest), newest, lake) or why_not_filled(last, settings)
    return FeatureStatus(outdated=reason, newest=newest, prepared=last)


def check_prepared(pins: Mapping[str, int], settings: Settings) -> None:
    """Check that Feast reads the pinned versions of the feature tables.

    Raises:
        MediaReviewError: it reads others, because features were prepared again since.
    """
    last = last_prepared(settings)
    held = last.versions if last and last.filled else {}
    for table in FEATURE_TABLES:
        if held.get(table) != pins[table]:
            raise MediaReviewError(
                f"The run pinned version {pins[table]} of {table}, but the feature store holds {held.get(table)}.",
                "Features were prepared again meanwhile. Run the pipeline again.",
            )


def newest_pins(lake: Lake) -> dict[str, int]:
    """Return the newest version of each input table that there is."""
    return lake.pin(name for name in INPUTS if lake.exists(name))


def input_digest(lake: Lake, pins: Mapping[str, int]) -> str:
    """Return the digest of the inputs, and of the code that makes features of them."""
    digest = hashlib.sha256(json.dumps([lake.url, sorted(pins.items())]).encode())
    folders = [Path(__file__).parent, Path(feature_repo.__file__).parent, Path(mediareview.text.__file__).parent]
    files = [Path(mediareview.features.__file__), *(path for folder in folders for path in folder.rglob("*.py"))]
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def why_not_computed(last: FeatureSummary, digest: str, pins: Mapping[str, int], lake: Lake) -> str:
    """Return why the lake's feature tables are not those of a digest; empty if they are."""
    if last.digest != digest:
        changed = [name for name in INPUTS if last.pins.get(name) != pins.get(name)]
        return f"there are other {', '.join(changed)}" if changed else "the code or the place of the lake changed"
    others = [name for name, version in last.versions.items() if not lake.exists(name) or lake.version(name) != version]
    return f"the lake no longer has what was written to {', '.join(others)}" if others else ""


def why_not_filled(last: FeatureSummary, settings: Settings) -> str:
    """Return why Feast does not read what the lake has; empty if it does.

    Raises:
        MediaReviewError: the online store is a server that does not answer.
    """
    if not last.filled:
        return "the online store has not been filled with them"
    files = [offline_directory(settings) / f"{name}.parquet" for name in FEATURE_TABLES]
    for file in [*files, settings.feature_registry_file]:
        if not file.is_file():
            return f"{file} is missing"
    return "" if is_filled(settings, last.digest) else "the online store has lost what it was filled with"


def last_prepared(settings: Settings) -> FeatureSummary | None:
    """Return what was prepared last; None if nothing was, or if it was interrupted."""
    record = _record(settings)
    return FeatureSummary.model_validate_json(record.read_bytes()) if record.is_file() else None


def keep(summary: FeatureSummary, settings: Settings) -> None:
    """Remember what was prepared."""
    partial = _record(settings).with_suffix(".partial")
    partial.write_text(summary.model_dump_json(indent=2))
    partial.replace(_record(settings))


def forget(settings: Settings) -> None:
    """Remember nothing: what there was is being replaced."""
    _record(settings).unlink(missing_ok=True)


@contextmanager
def preparing_alone(settings: Settings, say: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other process prepares features of this home, and keep others waiting."""
    _record(settings).parent.mkdir(parents=True, exist_ok=True)
    with _record(settings).with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("features are being prepared by another process; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _record(settings: Settings) -> Path:
    return settings.root / "features" / "prepared.json"
