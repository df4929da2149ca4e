"""The event stream: feedback and impressions, acknowledged once they are on disk.

Group commit: what arrives while the disk is busy is written and synced together next, so that throughput does not
depend on how long a sync takes.
"""

import asyncio
import errno
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from mediareview.contracts.events import Feedback
from serving.api.journal import Journal

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MAX_PENDING = 10_000
REMEMBERED_EVENTS = 50_000
IMPRESSION_DELAY_S = 0.5
"""Longest time an impression waits for company: nobody waits for it, and each sync costs."""
WARNING_INTERVAL_S = 60.0


class EventStoreError(Exception):
    """Events cannot be stored."""

    def __init__(self, message: str, *, full: bool = False) -> None:
        super().__init__(message)
        self.full = full
        """Whether the disk is full."""


class EventConflictError(Exception):
    """Another event has the same id."""


@dataclass(slots=True)
class _Pending:
    event: Feedback
    stored: "asyncio.Future[None]"


@dataclass(slots=True)
class _Known:
    digest: bytes
    stored: "asyncio.Future[None] | None"
    """None once the event is on disk."""


class EventLog:
    """Appends events to a journal. Use it within one event loop: ``start``, then ``append``, then ``close``.

    Args:
        journal: where events go.
        committed: is told, after each commit, how many events of which type were stored (or lost) and how long it took.
        max_pending: most events waiting; more are refused.
        remembered: number of newest events whose ids are known, so that a repeated one is stored once.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        committed: "Callable[[list[Feedback], float, bool], None] | None" = None,
        max_pending: int = MAX_PENDING,
        remembered: int = REMEMBERED_EVENTS,
    ) -> None:
        self._journal = journal
        self._committed = committed
        self._max_pending = max_pending
        self._remembered = remembered
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._pending: list[_Pending] = []
        self._waiting = asyncio.Event()
        """Something waits."""
        self._urgent = asyncio.Event()
        """Somebody waits for it."""
        self._closing = False
        self._silent_until = 0.0
        self._writer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="events")

    async def start(self) -> None:
        """Repair what a crash left behind, recall the newest events, and begin to write."""
        repaired = await self._run(self._journal.repair)
        if repaired:
            logger.warning("Cut off %d half-written lines in %s", repaired, self._journal.directory)
        self._known.update(await self._run(self._recall))
        self._writer = asyncio.create_task(self._write())

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
        stored = self._enqueue(event)
        self._known[event.event_id] = _Known(digest, stored)
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)
        self._urgent.set()
        # The caller may go away, the event may not: others may wait for it.
        await asyncio.shield(stored)
        return True

    def append_soon(self, event: Feedback) -> None:
        """Store an event within a moment, without telling when or whether; ``committed`` hears of both."""
        try:
            self._enqueue(event)
        except EventStoreError:
            self._report([event], 0.0, stored=False)

    async def close(self) -> None:
        """Store what waits, and close the journal."""
        self._closing = True
        self._waiting.set()
        self._urgent.set()
        if self._writer is not None:
            await self._writer
        await self._run(self._journal.close)
        self._thread.shutdown()

    def _enqueue(self, event: Feedback) -> "asyncio.Future[None]":
        if len(self._pending) >= self._max_pending:
            raise EventStoreError(f"{len(self._pending)} events are waiting to be stored")
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Whoever waited may be gone when it fails.
        stored.add_done_callback(asyncio.Future.exception)
        self._pending.append(_Pending(event, stored))
        self._waiting.set()
        return stored

    async def _write(self) -> None:
        while self._pending or not self._closing:
            await self._waiting.wait()
            try:
                async with asyncio.timeout(IMPRESSION_DELAY_S):
                    await self._urgent.wait()
            except TimeoutError:
                pass
            batch, self._pending = self._pending, []
            if not self._closing:
                self._waiting.clear()
                self._urgent.clear()
            if batch:
                await self._commit(batch)

    async def _commit(self, batch: list[_Pending]) -> None:
        events = [entry.event for entry in batch]
        started = time.perf_counter()
        failure: EventStoreError | None = None
        try:
            await self._run(lambda: self._journal.write(b"".join(map(_line, events))))
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            failure = EventStoreError(f"{self._journal.directory}: {error.strerror}", full=full)
        for entry in batch:
            known = self._known.get(entry.event.event_id)
            if failure is None:
                entry.stored.set_result(None)
                if known is not None:
                    known.stored = None
            else:
                entry.stored.set_exception(failure)
                if known is not None and known.stored is entry.stored:
                    del self._known[entry.event.event_id]
        if failure is not None and time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + WARNING_INTERVAL_S
            logger.error("Events cannot be stored: %s", failure)
        self._report(events, time.perf_counter() - started, stored=failure is None)

    def _report(self, events: list[Feedback], took_s: float, *, stored: bool) -> None:
        if self._committed is not None:
            self._committed(events, took_s, stored)

    def _recall(self) -> dict[str, _Known]:
        found: dict[str, _Known] = {}
        for line in self._journal.newest_lines(self._remembered):
            try:
                event = Feedback.model_validate_json(line)
            except ValidationError:
                continue  # another process is just writing it, or it is of another release
            if event.type != "impression":
                found.setdefault(event.event_id, _Known(_digest(event), None))
        return dict(reversed(found.items()))

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _line(event: Feedback) -> bytes:
    return event.model_dump_json(exclude_none=True).encode() + b"\n"


def _digest(event: Feedback) -> bytes:
    content = event.model_dump_json(exclude_none=True, exclude={"occurred_at"})
    return hashlib.blake2b(content.encode(), digest_size=8).digest()
