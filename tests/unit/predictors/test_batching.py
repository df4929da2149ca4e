"""Micro-batching: batches form under load, results stay in order, one bad item hurts nobody else."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.predictors.batching import Batcher, OverloadedError, ScoringError


class Gate:
    """A model that doubles numbers, refuses negative ones, and waits while the gate is closed."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.started = threading.Event()
        self.open = threading.Event()
        self.open.set()

    def score(self, items: list[int]) -> list[int]:
        self.batches.append(list(items))
        self.started.set()
        self.open.wait(10)
        if any(item < 0 for item in items):
            raise ValueError("negative")
        return [2 * item for item in items]


def batcher(score: Callable[[list[int]], Sequence[int]], **limits: float) -> Batcher[int, int]:
    return Batcher(score, **{"max_batch_size": 4, "max_wait_s": 0.001, "max_queue": 100, **limits})  # type: ignore[arg-type]


async def busy(gate: Gate, batching: Batcher[int, int]) -> "asyncio.Task[list[int]]":
    """Occupy the model with one item until the gate opens."""
    gate.open.clear()
    first = asyncio.create_task(batching.submit([0]))
    await asyncio.to_thread(gate.started.wait, 10)
    return first


def test_an_idle_model_scores_at_once_and_a_busy_one_scores_what_waits_together() -> None:
    async def story() -> None:
        gate = Gate()
        batching = batcher(gate.score)
        first = await busy(gate, batching)
        waiting = [asyncio.create_task(batching.submit([number])) for number in range(1, 7)]
        await asyncio.sleep(0)
        gate.open.set()
        assert await asyncio.gather(first, *waiting) == [[0], [2], [4], [6], [8], [10], [12]]
        assert gate.batches == [[0], [1, 2, 3, 4], [5, 6]]
        await batching.close()

    asyncio.run(story())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(-2, 50), max_size=6), min_size=1, max_size=12))
def test_every_request_gets_its_own_results_in_order_and_only_bad_items_fail(requests: list[list[int]]) -> None:
    async def story() -> None:
        batching = batcher(Gate().score)
        results = await asyncio.gather(*(batching.submit(items) for items in requests), return_exceptions=True)
        for items, result in zip(requests, results, strict=True):
            if any(item < 0 for item in items):
                assert isinstance(result, ScoringError)
                assert isinstance(result.__cause__, ValueError)
            else:
                assert result == [2 * item for item in items]
        await batching.close()

    asyncio.run(story())


def test_a_full_queue_refuses_without_scoring_anything_of_the_request() -> None:
    async def story() -> None:
        gate = Gate()
        batching = batcher(gate.score, max_queue=3)
        first = await busy(gate, batching)
        second = asyncio.create_task(batching.submit([1, 2]))
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await batching.submit([3, 4])
        third = asyncio.create_task(batching.submit([5]))
        await asyncio.sleep(0)
        gate.open.set()
        assert await asyncio.gather(first, second, third) == [[0], [2, 4], [10]]
        assert [item for batch in gate.batches for item in batch] == [0, 1, 2, 5]
        await batching.close()

    asyncio.run(story())


def test_what_was_cancelled_while_it_waited_is_not_scored() -> None:
    async def story() -> None:
        gate = Gate()
        batching = batcher(gate.score)
        first = await busy(gate, batching)
        dropped = asyncio.create_task(batching.submit([7]))
        kept = asyncio.create_task(batching.submit([8]))
        await asyncio.sleep(0)
        dropped.cancel()
        await asyncio.sleep(0)
        gate.open.set()
        assert await kept == [16]
        await first
        assert 7 not in [item for batch in gate.batches for item in batch]
        await batching.close()

    asyncio.run(story())


def test_a_model_that_loses_results_fails_instead_of_mixing_them_up() -> None:
    async def story() -> None:
        batching = batcher(lambda items: items[1:])
        with pytest.raises(ScoringError, match="0 results for 1"):
            await batching.submit([1, 2])
        await batching.close()

    asyncio.run(story())


def test_the_observer_sees_every_batch() -> None:
    seen: list[tuple[int, bool]] = []

    class Observer:
        def batch_scored(self, queued_s: Sequence[float], scoring_s: float) -> None:
            seen.append((len(queued_s), min(*queued_s, scoring_s) >= 0))

    async def story() -> None:
        batching = Batcher(Gate().score, max_batch_size=2, max_wait_s=0, max_queue=10, observer=Observer())
        await batching.submit([1, 2, 3])
        await batching.close()

    asyncio.run(story())
    assert seen == [(2, True), (1, True)]


def test_a_request_without_items_needs_no_model() -> None:
    async def story() -> None:
        gate = Gate()
        batching = batcher(gate.score)
        assert await batching.submit([]) == []
        assert gate.batches == []
        await batching.close()

    asyncio.run(story())
