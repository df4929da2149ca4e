"""The audit log of rollouts: a table of the lake to which each change is added exactly once."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from mediareview.contracts import RolloutChange, to_arrow
from mediareview.errors import MediaReviewError
from mediareview.settings import Settings

if TYPE_CHECKING:
    from mediareview.lake import Lake

logger = logging.getLogger(__name__)

RETRY_DELAYS_S = (0.05, 0.2, 0.5)
"""Writers that meet in the same commit try again."""
PATIENCE_S = 10.0
"""How long a lake that does not answer is asked again; the change is logged later."""


class AuditLog:
    """Who changed what, when, why, and on which evidence.

    Args:
        lake: where the table is, or what opens it once it is needed: a lake that is away must not keep anybody from
            taking a candidate back.
    """

    def __init__(self, lake: "Lake | Callable[[], Lake]") -> None:
        self._given = lake
        self._opened: Lake | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> "AuditLog":
        """Return the log in the lake that ``MEDIAREVIEW_LAKE_URL`` names; the lake is not opened yet."""

        def open_lake() -> "Lake":
            from mediareview.lake import Lake

            return Lake.from_settings(settings, patience_s=PATIENCE_S)

        return cls(open_lake)

    def append(self, changes: Iterable[RolloutChange]) -> None:
        """Add changes that are not there yet.

        Raises:
            MediaReviewError: the lake cannot be written.
        """
        unique = {change.change_id: change for change in changes}
        if not unique:
            return
        from deltalake.exceptions import DeltaError

        lake, table = self._open(), RolloutChange.table
        delays_s = iter(RETRY_DELAYS_S)
        while True:
            try:
                lake.merge(table, to_arrow(RolloutChange, unique.values()), RolloutChange.key, update=False)
                return
            except (DeltaError, OSError) as error:
                delay_s = next(delays_s, None)
                if delay_s is None:
                    raise self._away(lake, error) from error
                time.sleep(delay_s)

    def history(self, model: str | None = None) -> list[RolloutChange]:
        """Return the changes of a model, or of all, oldest first.

        Raises:
            MediaReviewError: the lake cannot be read.
        """
        from deltalake.exceptions import DeltaError

        lake = self._open()
        try:
            if not lake.exists(RolloutChange.table):
                return []
            # A few rows, in this thread: PyArrow's own threads may outlive what they read, and abort a short command.
            rows = lake.dataset(RolloutChange.table).to_table(use_threads=False).to_pylist()
        except (DeltaError, OSError) as error:
            raise self._away(lake, error) from error
        unique = {row["change_id"]: RolloutChange.model_validate(row) for row in rows if model in (None, row["model"])}
        return sorted(unique.values(), key=lambda change: (change.occurred_at, change.model, change.sequence))

    def _open(self) -> "Lake":
        if self._opened is None:
            try:
                self._opened = self._given() if callable(self._given) else self._given
            except OSError as error:
                raise MediaReviewError(
                    f"The lake cannot be opened: {error}", "Check MEDIAREVIEW_LAKE_URL and its permissions."
                ) from error
        return self._opened

    def _away(self, lake: "Lake", error: Exception) -> MediaReviewError:
        # Opened anew it reads its credentials anew, which may have expired.
        self._opened = None
        return MediaReviewError(
            f"The audit log in the lake at {lake.url} cannot be had: {error}",
            "Check MEDIAREVIEW_LAKE_URL, MEDIAREVIEW_S3_ENDPOINT_URL and the credentials.",
        )
