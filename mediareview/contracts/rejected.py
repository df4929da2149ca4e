"""Rows that fit no contract. They are kept, with the reason, and can be replayed."""

from typing import ClassVar

from mediareview.contracts.record import Record, Timestamp


class DeadLetter(Record):
    """A row refused at the door. ``digest`` makes refusing the same row twice one entry."""

    table: ClassVar[str] = "dead_letters"
    key: ClassVar[tuple[str, ...]] = ("digest",)

    digest: str
    """SHA-256 over contract, file name, line and raw row."""
    contract: str
    file: str
    line: int
    reason: str
    raw: str
    """The row as it came, as text."""
    rejected_at: Timestamp
