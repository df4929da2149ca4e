"""What a check is, and what it finds. A new backend adds a check; nothing else changes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from mediareview.errors import MediaReviewError


class Mark(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    WARNING = "warning"
    """It will do, or could not be seen."""
    MISSING = "missing"
    """The platform does not work without it."""


@dataclass(frozen=True)
class Finding:
    """The verdict on one thing."""

    name: str
    mark: Mark
    found: str
    """What was seen, in one line."""
    hint: str = ""
    """What to do about it; empty if nothing."""


@dataclass(frozen=True)
class Check:
    """One thing to look at."""

    name: str
    look: Callable[[], Finding]
    """May raise MediaReviewError: the thing is missing then, and the error says what to do."""


def examine(checks: Iterable[Check]) -> Iterator[Finding]:
    """Look at one thing after the other."""
    for check in checks:
        try:
            yield check.look()
        except MediaReviewError as error:
            yield Finding(check.name, Mark.MISSING, error.message, error.hint)
