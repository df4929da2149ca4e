"""Cron expressions: the usual five fields, checked, and turned into the six that Kubeflow wants."""

import re

from mediareview.errors import MediaReviewError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)
_RANGE = re.compile(r"(\*|\?|\w+)(?:-(\w+))?(?:/(\d+))?")


def with_seconds(cron: str) -> str:
    """Return a cron expression in Kubeflow's form, seconds first; five fields begin at second 0.

    Kubeflow itself would take five fields for seconds to month, and run every hour what was meant for three o'clock.

    Raises:
        MediaReviewError: it is not one; the message names the field and its range.
    """
    fields = cron.split()
    if len(fields) == 5:
        fields = ["0", *fields]
    if len(fields) != 6:
        raise MediaReviewError(
            f"The cron expression {cron!r} has {len(fields)} fields.",
            "It has five: minute, hour, day of month, month, day of week; '0 3 * * *' is 03:00 UTC each day. "
            "Of six the first is the second.",
        )
    for text, (name, low, high, names) in zip(fields, _FIELDS, strict=True):
        for part in text.split(","):
            if not _fits(part, low, high, names, question="day" in name):
                allowed = f"{low} to {high}" + (f" or {names[0]} to {names[-1]}" if names else "")
                raise MediaReviewError(
                    f"{part!r} is not a {name} in the cron expression {cron!r}.",
                    f"A {name} is {allowed}; also *, lists (1,2), ranges (1-5) and steps (*/10)."
                    + (" Sunday is 0." if names is _DAYS else ""),
                )
    return " ".join(fields)


def _fits(part: str, low: int, high: int, names: tuple[str, ...], question: bool) -> bool:
    match = _RANGE.fullmatch(part)
    if not match:
        return False
    first, last, step = match.groups()
    if step is not None and not 1 <= int(step) <= high:
        return False
    if first in ("*", "?"):
        return last is None and (first == "*" or question)
    start = _number(first, low, names)
    end = _number(last, low, names) if last is not None else start
    return low <= start <= end <= high


def _number(text: str, low: int, names: tuple[str, ...]) -> int:
    """Return the number that stands in a field, or one that is in no range."""
    if text.isdecimal():
        return int(text)
    return names.index(text.lower()) + low if text.lower() in names else -1
