"""What the feature store knows of a person right now, read through Feast from the online store.

Feast takes seconds to import, so it is loaded at the first read and only in the process that reads. Whatever is
missing, a person, the registry or the whole store, is an answer (None) and not an error: predictors have a fallback.
A server that does not answer costs a request a fraction of a second, and is then left alone for a while.
"""

import logging
import sqlite3
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mediareview.errors import MediaReviewError
from mediareview.feature_registry import fetch_registry
from mediareview.features import feast_configuration
from mediareview.settings import Settings
from serving.scorers.recommender import UserState

logger = logging.getLogger(__name__)

WARNING_INTERVAL_S = 60.0
READ_TIMEOUT_S = 0.25
"""Longest wait for a server to connect, and again to answer: a person's features are not worth more of a request."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
FETCH_INTERVAL_S = 60.0
"""Time between looks for a newer registry on S3."""

_PROFILE = ("history_media_ids", "history_ratings", "blocked_media_ids")
_CONDUCT = ("first_seen_at", "review_count", "reviews_30d", "judged_count", "flagged_count")


@dataclass(frozen=True)
class Author:
    """What moderation knows of the author of a text."""

    account_age_days: float
    review_count: int
    reviews_30d: int
    judged_count: int
    """Texts of the author that somebody judged."""
    flagged_count: int
    """Those of them that were found spam, abusive or inappropriate."""


class OnlineFeatures:
    """Reads the online store. Thread-safe; the store is opened at the first read.

    Args:
        settings: where the registry and the online store are.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._store: Any = None
        self._file = 0
        self._silent_until = 0.0
        self._pause_s = 0.0
        self._paused_until = 0.0
        self._fetching: threading.Thread | None = None

    def user_state(self, user_id: str) -> UserState | None:
        """Return history and blocked titles of a user, or None if the store knows nothing of them."""
        row = self._read("user_profile", _PROFILE, [user_id]).get(user_id)
        if row is None:
            return None
        # A title rated twice counts once, with its newest rating and at its newest place.
        newest: dict[str, float] = {}
        for media_id, rating in zip(row["history_media_ids"], row["history_ratings"], strict=True):
            newest.pop(media_id, None)
            newest[media_id] = float(rating)
        return UserState(
            history=list(newest),
            ratings=list(newest.values()),
            blocked=list(row["blocked_media_ids"] or ()),
        )

    def authors(self, author_ids: Iterable[str]) -> dict[str, Author]:
        """Return how authors have behaved; those of whom the store knows nothing are not in the answer."""
        rows = self._read("user_conduct", _CONDUCT, sorted(set(author_ids)))
        return {author_id: _author(row) for author_id, row in rows.items()}

    def _read(self, view: str, names: tuple[str, ...], user_ids: list[str]) -> dict[str, dict[str, Any]]:
        """Return the named features of those users that have them; of none if they cannot be read now."""
        with self._lock:
            if time.monotonic() < self._paused_until:
                return {}
            try:
                found = self._open().get_online_features(
                    features=[f"{view}:{name}" for name in names],
                    entity_rows=[{"user_id": user_id} for user_id in user_ids],
                )
            except self._failures() as error:
                self._store = None
                if self._settings.online_store_file is None:
                    self._pause_s = min(max(2 * self._pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
                    self._paused_until = time.monotonic() + self._pause_s
                self._warn(error)
                return {}
            self._pause_s = 0.0
        columns = found.to_dict()
        rows = [{name: columns[name][place] for name in names} for place in range(len(user_ids))]
        return {user_id: row for user_id, row in zip(user_ids, rows, strict=True) if row[names[0]] is not None}

    def _open(self) -> Any:
        """Return the store; open it anew if its file was replaced since."""
        if self._settings.shares_feature_registry and self._fetching is None:
            # The first time somebody waits for it: the predictor that starts. From then on nobody does.
            self._fetch()
            self._fetching = threading.Thread(target=self._keep_fetching, name="feature-registry", daemon=True)
            self._fetching.start()
        # Checked first, because Feast and SQLite would create what is missing.
        registry, online = self._settings.feature_registry_file, self._settings.online_store_file
        files = [path.stat().st_ino if path is not None else 0 for path in (registry, online)]
        if self._store is None or files[1] != self._file:
            with _without_torch():
                from feast import FeatureStore, RepoConfig

            configuration = feast_configuration(self._settings, READ_TIMEOUT_S)
            config = RepoConfig(repo_path=self._settings.root / "features", **configuration)
            self._store, self._file = FeatureStore(config=config), files[1]
        return self._store

    def _keep_fetching(self) -> None:
        while True:
            time.sleep(FETCH_INTERVAL_S)
            self._fetch()

    def _fetch(self) -> None:
        """Bring the registry up to date; Feast notices that its file is another."""
        try:
            fetch_registry(self._settings)
        except (MediaReviewError, OSError) as error:
            # What was fetched before still describes what the online store holds.
            if not self._settings.feature_registry_file.is_file():
                self._warn(error)
            else:
                logger.warning("Feast's registry may be old: %s", error)

    def _warn(self, error: Exception) -> None:
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + WARNING_INTERVAL_S
            logger.warning("No online features, so users look unknown: %s", error)

    @staticmethod
    def _failures() -> tuple[type[Exception], ...]:
        # Until Feast is imported it cannot have failed; a damaged registry fails in protobuf.
        loaded = (
            ("feast.errors", "FeastError"),
            ("google.protobuf.message", "Error"),
            ("redis.exceptions", "RedisError"),
        )
        lazy = (getattr(sys.modules[module], name) for module, name in loaded if module in sys.modules)
        return (OSError, sqlite3.Error, *lazy)


def _author(row: dict[str, Any]) -> Author:
    first_seen = row["first_seen_at"]
    if first_seen.tzinfo is None:
        first_seen = first_seen.replace(tzinfo=UTC)
    age = datetime.now(UTC) - first_seen
    return Author(
        account_age_days=age.total_seconds() / 86_400,
        review_count=row["review_count"],
        reviews_30d=row["reviews_30d"],
        judged_count=row["judged_count"],
        flagged_count=row["flagged_count"],
    )


@contextmanager
def _without_torch() -> Iterator[None]:
    """Hide torch for a moment: Feast imports it where it is installed, and 190 MB are too much for nothing."""
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]
