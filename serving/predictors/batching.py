"""Dynamic micro-batching: what arrives while the model is busy is scored together next."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class OverloadedError(Exception):
    """The queue is full; the caller should come back later."""


class ScoringError(Exception):
    """The model could not score an item; the cause is attached."""


class Observer(Protocol):
    """Is told of every batch."""

    def batch_scored(self, queued_s: Sequence[float], scoring_s: float) -> None:
        """Take note of a batch: how long each item waited, and how long scoring them took."""


@dataclass(slots=True)
class _Entry(Generic[Item, Result]):
    item: Item
    result: asyncio.Future[Result]
    arrived: float = field(default_factory=time.perf_counter)


class Batcher(Generic[Item, Result]):
    """Scores items of concurrent requests in batches, in one worker thread.

    An idle model scores at once. When it has been busy and items are waiting, it waits up to ``max_wait_s`` for more.
    An item that raises fails alone: the batch is halved until it is found. Items whose request was cancelled while
    they waited are dropped.

    Args:
        score: maps items to as many results, in order; called in the worker thread only, one call at a time.
        max_batch_size: most items in one call.
        max_wait_s: longest wait of a busy model for a fuller batch, in seconds.
        max_queue: most items waiting.
        observer: is told of every batch.
    """

    def __init__(
        self,
        score: Callable[[list[Item]], Sequence[Result]],
        *,
        max_batch_size: int,
        max_wait_s: float,
        max_queue: int,
        observer: Observer | None = None,
    ) -> None:
        self._score = score
        self._max_batch_size = max_batch_size
        self._max_wait_s = max_wait_s
        self._max_queue = max_queue
        self._observer = observer
        self._queue: deque[_Entry[Item, Result]] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scorer")
        self._worker: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Return the number of items waiting."""
        return len(self._queue)

    async def submit(self, items: Sequence[Item]) -> list[Result]:
        """Return the results of items, in order.

        Raises:
            OverloadedError: the queue has no room for all of them; none is scored.
            ScoringError: the model could not score one of them.
        """
        if len(self._queue) + len(items) > self._max_queue:
            raise OverloadedError(f"{len(self._queue)} of {self._max_queue} places in the queue are taken")
        loop = asyncio.get_running_loop()
        if self._worker is None or self._worker.done():
            self._arrived = asyncio.Event()
            self._worker = loop.create_task(self._work())
        entries = [_Entry[Item, Result](item, loop.create_future()) for item in items]
        self._queue.extend(entries)
        self._arrived.set()
        return await asyncio.gather(*(entry.result for entry in entries))

    async def close(self) -> None:
        """Stop the worker; what still waits is cancelled."""
        if self._worker is not None:
            self._worker.cancel()
        while self._queue:
            self._queue.popleft().result.cancel()
        self._thread.shutdown(wait=False)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            batch = self._take()
            if batch:
                queued_s = [time.perf_counter() - entry.arrived for entry in batch]
                items = [entry.item for entry in batch]
                started = time.perf_counter()
                results = await loop.run_in_executor(self._thread, self._score_each, items)
                if self._observer is not None:
                    self._observer.batch_scored(queued_s, time.perf_counter() - started)
                for entry, result in zip(batch, results, strict=True):
                    _settle(entry.result, result)
            if not self._queue:
                self._arrived.clear()
            elif len(self._queue) < self._max_batch_size:
                await asyncio.sleep(self._max_wait_s)

    def _take(self) -> list[_Entry[Item, Result]]:
        batch: list[_Entry[Item, Result]] = []
        while self._queue and len(batch) < self._max_batch_size:
            entry = self._queue.popleft()
            if not entry.result.done():
                batch.append(entry)
        return batch

    def _score_each(self, items: list[Item]) -> list[Result | ScoringError]:
        try:
            results = list(self._score(items))
            if len(results) == len(items):
                return [*results]
            failure = ScoringError(f"the model returned {len(results)} results for {len(items)} items")
        except Exception as error:  # whatever a model raises must not end the worker
            failure = ScoringError(f"{type(error).__name__}: {error}")
            failure.__cause__ = error
        if len(items) == 1:
            return [failure]
        middle = len(items) // 2
        return self._score_each(items[:middle]) + self._score_each(items[middle:])


def _settle(future: "asyncio.Future[Result]", result: Result | ScoringError) -> None:
    if future.done():
        return
    if isinstance(result, ScoringError):
        future.set_exception(result)
    else:
        future.set_result(result)
