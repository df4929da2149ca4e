"""What an experiment costs each request: assignment, and the record of exposures and answers.

Two APIs stand in front of the same tiny predictor, one with an experiment at 50 %, one without. The same request goes
to both, in turns, so that whatever else the machine does falls on both; the row is the median of the differences. Each
request is another user's, the most expensive case: every one is enrolled and recorded.

Usage: ``python -m benchmarks.assignment_overhead [--requests N]``
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.report import Row, report
from benchmarks.serving import Caller
from mediareview.settings import Settings
from serving.api_process import ApiProcess
from serving.listener import listen, url_of
from serving.objects import ObjectDirectory
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import ANNOTATION, Candidate, Rollout

REQUESTS = 3000
WARM_UP = 200
BUDGET_MS = 0.2
PREDICTION = b'{"predictions": [{"label": "positive", "scores": {"negative": 0.25, "neutral": 0.25, "positive": 0.5}}]}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(PREDICTION)
VARIANTS = (("stable", "1"), ("v2", "2"))
"""Name and version of each."""


def rows(requests: int = REQUESTS) -> list[Row]:
    """Return the row ``assignment_overhead_p50_ms``.

    Args:
        requests: number of pairs of calls.
    """
    with_ms, without_ms = asyncio.run(_measure(requests))
    overhead_ms = statistics.median(one - other for one, other in zip(with_ms, without_ms, strict=True))
    note = (
        f"budget {BUDGET_MS} ms; {requests} pairs, 1 caller, every user new; with {statistics.median(with_ms):.3f} ms"
    )
    return [
        Row(
            "assignment_overhead_p50_ms",
            overhead_ms,
            "ms",
            "p50 of the same API without an experiment",
            statistics.median(without_ms),
            note,
        )
    ]


async def _measure(requests: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each call with an experiment, and of its twin without."""
    async with AsyncExitStack() as stack:
        predictor_url = await stack.enter_async_context(_predictor())
        processes = stack.enter_context(ExitStack())
        callers = []
        for experiment in (True, False):
            home = Path(processes.enter_context(tempfile.TemporaryDirectory()))
            _deploy(home, predictor_url, experiment)
            url = await asyncio.to_thread(_start, processes, Settings(home=home, api_port=0))
            callers.append(await Caller(url, "/api/ml/sentiment").open())
        milliseconds: tuple[list[float], list[float]] = ([], [])
        for number in range(-WARM_UP, requests):
            body: dict[str, object] = {"user_id": f"user{number}", "items": [{"id": "1", "text": "a good film"}]}
            for which in (0, 1) if number % 2 else (1, 0):
                took_s = await callers[which].post(body)
                if number >= 0:
                    milliseconds[which].append(took_s * 1000)
        return milliseconds


def _start(processes: ExitStack, settings: Settings) -> str:
    listener = processes.enter_context(listen(settings))
    url = url_of(listener)
    processes.enter_context(ApiProcess(settings, listener)).wait_ready()
    return url


def _deploy(home: Path, predictor_url: str, experiment: bool) -> None:
    """Declare a sentiment model whose stable predictor, and canary, are the tiny one."""
    now = datetime.now(UTC)
    rollout = Rollout(
        id="overhead",
        model="sentiment",
        candidate=Candidate(version="2", uri="file:///2", predictor="v2"),
        stable_version="1",
        stable_predictor="stable",
        plan=Plan(traffic_percent=50, max_percent=50),
        phase="running",
        traffic_percent=50,
        sequence=1,
        started_at=now,
        changed_at=now,
        reason="",
    )
    objects = ObjectDirectory(Settings(home=home).inference_services)
    canary = {"trafficPercent": 50, "predictor": {"name": "v2", "model": {}}}
    objects.apply(
        {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {
                "name": "sentiment",
                "annotations": {ANNOTATION: rollout.model_dump_json()} if experiment else {},
            },
            "spec": {"predictor": {"model": {}}, **({"canary": [canary]} if experiment else {})},
        }
    )
    traffic = [{"tag": tag, "revisionName": version, "url": predictor_url} for tag, version in VARIANTS]
    objects.update_status("sentiment", {"components": {"predictor": {"traffic": traffic}}})


@asynccontextmanager
async def _predictor() -> AsyncIterator[str]:
    """Run a predictor that says the same of everything, and yield its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                writer.write(HEAD + PREDICTION)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def main() -> None:
    """Measure, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    report("assignment_overhead", rows(parser.parse_args().requests))


if __name__ == "__main__":
    main()
