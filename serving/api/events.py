"""The event stream: what the API tells of itself, and what callers tell it, on disk.

Group commit: what arrives while the disk is busy is written and synced together next, so that throughput does not
depend on how long a sync takes. Each kind of event has a log, and a journal, of its own.
"""

import asyncio
import errno
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from mediareview.contracts import Record
from serving.api.journal import Journal

logger = logging.getLogger(__name__)

Event = TypeVar("Event", bound=Record)
Result = TypeVar("Result")

MAX_PENDING = 10_000
LONGEST_DELAY_S = 0.5
"""Longest time that an event waits for company if nobody waits for it: each sync costs."""
WARNING_INTERVAL_S = 60.0


class EventStoreError(Exception):
    """Events cannot be stored."""

    def __init__(self, message: str, *, full: bool = False) -> None:
        super().__init__(message)
        self.full = full
        """Whether the disk is full."""


@dataclass(slots=True)
class _Pending(Generic[Event]):
    event: Event
    stored: "asyncio.Future[None] | None"
    """None if nobody wants to know."""


class EventLog(Generic[Event]):
    """Appends events to a journal. Use it within one event loop: ``start``, then ``append``, then ``close``.

    Args:
        journal: where events go.
        committed: is told, after each commit, which events were stored (or lost) and how long it took in seconds.
        max_pending: most events waiting; more are refused.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        committed: "Callable[[Sequence[Event], float, bool], None] | None" = None,
        max_pending: int = MAX_PENDING,
    ) -> None:
        self._journal = journal
        self._committed = committed
        self._max_pending = max_pending
        self._pending: list[_Pending[Event]] = []
        self._waiting = asyncio.Event()
        """Something waits."""
        self._urgent = asyncio.Event()
        """Somebody waits for it."""
        self._closing = False
        self._silent_until = 0.0
        self._writer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=journal.directory.name)

    async def start(self) -> None:
        """Repair what a crash left behind, and begin to write."""
        repaired = await self._run(self._journal.repair)
        if repaired:
            logger.warning("Cut off %d half-written lines in %s", repaired, self._journal.directory)
        self._writer = asyncio.create_task(self._write())

    async def newest(self, count: int, read: Callable[[bytes], Result]) -> list[Result]:
        """Return what ``read`` makes of up to ``count`` of the newest lines, newest first.

        A line that it refuses with ``ValueError`` is left out: another process is just writing it, or it is of another
        release.
        """

        def read_all() -> list[Result]:
            found = []
            for line in self._journal.newest_lines(count):
                try:
                    found.append(read(line))
                except ValueError:
                    continue
            return found

        return await self._run(read_all)

    def append(self, event: Event) -> "asyncio.Future[None]":
        """Store an event at once.

        Returns:
            What is done once it is on disk, or raises EventStoreError if it cannot be stored. Shield it: the caller may
            go away, the event may not.

        Raises:
            EventStoreError: too many wait.
        """
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Whoever waited may be gone when it fails.
        stored.add_done_callback(asyncio.Future.exception)
        self._enqueue(_Pending(event, stored))
        self._urgent.set()
        return stored

    def append_soon(self, event: Event) -> None:
        """Store an event within a moment, without telling when or whether; ``committed`` hears of both."""
        try:
            self._enqueue(_Pending(event, None))
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

    def _enqueue(self, entry: _Pending[Event]) -> None:
        if len(self._pending) >= self._max_pending:
            raise EventStoreError(f"{len(self._pending)} events are waiting to be stored")
        self._pending.append(entry)
        self._waiting.set()

    async def _write(self) -> None:
        while self._pending or not self._closing:
            await self._waiting.wait()
            try:
                async with asyncio.timeout(LONGEST_DELAY_S):
                    await self._urgent.wait()
            except TimeoutError:
                pass
            batch, self._pending = self._pending, []
            if not self._closing:
                self._waiting.clear()
                self._urgent.clear()
            if batch:
                await self._commit(batch)

    async def _commit(self, batch: list[_Pending[Event]]) -> None:
        events = [entry.event for entry in batch]
        started = time.perf_counter()
        failure: EventStoreError | None = None
        try:
            await self._run(lambda: self._journal.write(b"".join(map(_line, events))))
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            failure = EventStoreError(f"{self._journal.directory}: {error.strerror}", full=full)
        for entry in batch:
            if entry.stored is None:
                continue
            if failure is None:
                entry.stored.set_result(None)
            else:
                entry.stored.set_exception(failure)
        if failure is not None and time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + WARNING_INTERVAL_S
            logger.error("Events cannot be stored: %s", failure)
        self._report(events, time.perf_counter() - started, stored=failure is None)

    def _report(self, events: list[Event], took_s: float, *, stored: bool) -> None:
        if self._committed is not None:
            self._committed(events, took_s, stored)

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _line(event: Record) -> bytes:
    return event.model_dump_json(exclude_none=True).encode() + b"\n"
