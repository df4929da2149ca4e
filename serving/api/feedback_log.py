"""Feedback, acknowledged once it is on disk, and kept once however often it is sent."""

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from mediareview.contracts import Feedback
from serving.api.events import EventLog

REMEMBERED_EVENTS = 50_000


class EventConflictError(Exception):
    """Another event has the same id."""


@dataclass(slots=True)
class _Known:
    digest: bytes
    stored: "asyncio.Future[None] | None"
    """None once the event is on disk."""


class FeedbackLog:
    """Appends feedback to an event log. Use it within one event loop: ``start``, then ``append``, then ``close``.

    Args:
        events: the log.
        remembered: number of newest events whose ids are known, so that a repeated one is stored once.
    """

    def __init__(self, events: EventLog[Feedback], *, remembered: int = REMEMBERED_EVENTS) -> None:
        self._events = events
        self._remembered = remembered
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self.append_soon = events.append_soon
        self.close = events.close

    async def start(self) -> None:
        """Begin to write, and recall the newest events."""
        await self._events.start()
        for event in reversed(await self._events.newest(self._remembered, Feedback.model_validate_json)):
            if event.type != "impression":
                self._known[event.event_id] = _Known(_digest(event), None)

    async def append(self, event: Feedback) -> bool:
        """Store an event, and return once it is on disk.

        Returns:
            False if the same event was stored before; ``occurred_at`` may differ.

        Raises:
            EventConflictError: another event has its id.
            EventStoreError: it was not stored.
        """
        digest = _digest(event)
        known = self._known.get(event.event_id)
        if known is not None:
            if known.digest != digest:
                raise EventConflictError(event.event_id)
            if known.stored is not None:
                await asyncio.shield(known.stored)
            return False
        stored = self._events.append(event)
        known = self._known[event.event_id] = _Known(digest, stored)
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)
        stored.add_done_callback(lambda _: self._ended(event.event_id, known))
        # The caller may go away, the event may not: others may wait for it.
        await asyncio.shield(stored)
        return True

    def _ended(self, event_id: str, known: _Known) -> None:
        """Take note that an event is on disk, or forget it, for it may be sent again."""
        if known.stored is not None and known.stored.exception() is None:
            known.stored = None
        elif self._known.get(event_id) is known:
            del self._known[event_id]


def _digest(event: Feedback) -> bytes:
    content = event.model_dump_json(exclude_none=True, exclude={"occurred_at"})
    return hashlib.blake2b(content.encode(), digest_size=8).digest()
