"""The base of all contracts, and the field types they share."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

MAX_TEXT_BYTES = 65_536
"""Longest text the lake accepts, in UTF-8 bytes. The public API has a lower limit of its own."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far in the future an event may lie before it is refused."""


class Record(BaseModel):
    """A row of a lake table. Unknown fields are refused, strings are stripped, NaN is refused."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, allow_inf_nan=False, frozen=True)

    table: ClassVar[str]
    """Name of the lake table."""
    key: ClassVar[tuple[str, ...]]
    """Columns that identify a row: a second row with the same key replaces the first."""


def _in_utc(moment: datetime) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _not_in_the_future(moment: datetime) -> datetime:
    moment = _in_utc(moment)
    if moment > datetime.now(UTC) + CLOCK_SKEW:
        raise ValueError(f"timestamp {moment.isoformat()} lies in the future")
    if moment.year < 1970:
        raise ValueError(f"timestamp {moment.isoformat()} lies before 1970")
    return moment


def _fits_the_lake(text: str) -> str:
    if "\x00" in text:
        raise ValueError("text holds a NUL character")
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_TEXT_BYTES:
        raise ValueError(f"text has {size} bytes, the limit is {MAX_TEXT_BYTES}")
    return text


Moment = Annotated[datetime, AfterValidator(_in_utc)]
"""A moment in UTC that the platform itself wrote down, by a clock that may have been set back since."""

Timestamp = Annotated[datetime, AfterValidator(_not_in_the_future)]
"""A moment in UTC, not in the future. Naive values are read as UTC, numbers as Unix seconds."""

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f]+$")]
"""A user, title, review or request id as the network knows it."""

Text = Annotated[str, StringConstraints(min_length=1), AfterValidator(_fits_the_lake)]
"""What a person wrote."""
