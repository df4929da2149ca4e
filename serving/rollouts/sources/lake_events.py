"""Events of a rollout that have been ingested into the lake, as those of a cluster's API are."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pydantic import ValidationError

from mediareview.contracts import Exposure, Feedback, ServedAnswer, ShadowComparison
from mediareview.contracts.record import Record
from mediareview.errors import MediaReviewError
from mediareview.settings import Settings

if TYPE_CHECKING:
    import pyarrow.compute as pc

    from mediareview.lake import Lake

LOOK_INTERVAL_S = 30.0
"""How often a lake is asked for new versions of its tables."""
PATIENCE_S = 10.0
"""How long a lake that does not answer is asked again: a candidate that fails must be taken back meanwhile."""
TABLES: tuple[type[Record], ...] = (Exposure, ServedAnswer, Feedback, ShadowComparison)
"""Contracts of the events, those first to which others refer."""


class LakeEvents:
    """The tables of the events, as far as there are any.

    PyArrow and delta-rs, some 150 MB, are loaded once there is one.

    Args:
        settings: where the lake is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lake: Lake | None = None
        self._versions: dict[str, int] = {}
        self._look_at = 0.0
        self._trouble: MediaReviewError | None = None
        """Why the lake could not be read when it was asked last."""

    def changed(self) -> bool:
        """Whether something was ingested since this was asked last; looks twice a minute.

        Raises:
            MediaReviewError: the lake cannot be read.
        """
        if time.monotonic() >= self._look_at:
            self._trouble = None
            before = self._versions
            try:
                self._versions = self._ask()
                return self._versions != before
            except Exception as error:
                # Opened anew it reads its credentials anew, which may have expired.
                self._trouble, self._lake = _away(self._settings, error), None
            finally:
                self._look_at = time.monotonic() + LOOK_INTERVAL_S
        if self._trouble is not None:
            raise self._trouble
        return False

    def of(self, experiment: str, since: datetime) -> Iterator[Record]:
        """Yield what belongs to an experiment, and all feedback but impressions, oldest first of each table.

        Raises:
            MediaReviewError: the lake cannot be read.
        """
        import pyarrow.compute as pc

        mine, news = pc.field("experiment") == experiment, pc.field("type") != "impression"
        for contract in TABLES:
            yield from self._read(contract, since, None, news if contract is Feedback else mine)

    def feedback(self, since: datetime, until: datetime, types: tuple[str, ...]) -> Iterator[Record]:
        """Yield feedback of some types, of a span of time.

        Raises:
            MediaReviewError: the lake cannot be read.
        """
        if not self.has(Feedback):
            return
        import pyarrow.compute as pc

        yield from self._read(Feedback, since, until, pc.field("type").isin(types))

    def has(self, contract: type[Record]) -> bool:
        """Whether there was such a table when the lake was asked last."""
        return contract.table in self._versions

    def _read(
        self, contract: type[Record], since: datetime, until: datetime | None, where: "pc.Expression"
    ) -> Iterator[Record]:
        if self._lake is None or not self.has(contract):
            return
        import pyarrow.compute as pc

        span = pc.field("occurred_at") >= since
        if until is not None:
            span &= pc.field("occurred_at") < until
        try:
            # In this thread: PyArrow's own may outlive what they read, and abort a short command.
            table = self._lake.dataset(contract.table, self._versions[contract.table])
            rows = table.to_table(filter=span, use_threads=False)
        except Exception as error:
            # What was read is not all there is: it is read again once the lake can be.
            self._versions = {}
            self._trouble = _away(self._settings, error)
            raise self._trouble from error
        # Not as the lake is read: where a file holds one text only, pyarrow 26 compares it with delta-rs's own type of
        # text, and fails.
        rows = rows.filter(where).sort_by("occurred_at")
        for batch in rows.to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                try:
                    yield contract.model_validate({key: value for key, value in row.items() if value is not None})
                except ValidationError:
                    continue  # of another release

    def _ask(self) -> dict[str, int]:
        """Return the newest version of each table that there is."""
        if self._lake is None and self._worth_opening():
            from mediareview.lake import Lake

            self._lake = Lake.from_settings(self._settings, patience_s=PATIENCE_S)
        lake = self._lake
        return (
            {} if lake is None else {each.table: lake.version(each.table) for each in TABLES if lake.exists(each.table)}
        )

    def _worth_opening(self) -> bool:
        parts = urlsplit(self._settings.lake)
        if parts.scheme != "file":
            return True
        from pathlib import Path

        root = Path(url2pathname(parts.path))
        return any((root / table.table / "_delta_log").is_dir() for table in TABLES)


def _away(settings: Settings, error: Exception) -> MediaReviewError:
    return MediaReviewError(f"the lake at {settings.lake} cannot be read: {type(error).__name__}: {error}")
