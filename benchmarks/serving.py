"""Latency, throughput and memory of the served models: the API against the bare predictor, in the same run.

Serves the champions of ``MEDIAREVIEW_HOME`` (run ``mediareview up`` once before) and calls, in turns, the API and the
predictor behind it, so that whatever else the machine does falls on both. All traffic stays on loopback. A second
recommender, with random weights for 100,000 titles, shows what a large catalogue costs.

Usage: ``python -m benchmarks.serving [--requests N] [--callers N]``
"""

import argparse
import asyncio
import itertools
import json
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil

from benchmarks.catalogue import write_artifact
from benchmarks.report import Row, report
from components.deployment.deploy import deploy
from mediareview.console import step
from mediareview.settings import Settings, get_settings
from pipelines.catalogue import PIPELINE_NAMES
from pipelines.local import last_run
from serving.objects import ObjectDirectory, variants
from serving.platform import running

SENTENCE = (
    "the film opens slowly but its characters are drawn with care and the camera follows them through a city that "
    "never sleeps while the score keeps a quiet pulse until the last act turns everything we knew upside down"
)
WORDS = SENTENCE.split()


def text(number: int, words: int) -> str:
    """Return a text of so many words that no other number has."""
    return (
        " ".join(WORDS[(number * 7 + place * (1 + number % 5)) % len(WORDS)] for place in range(words)) + f" {number}"
    )


@dataclass
class Endpoint:
    """How one endpoint is called through the API and at the predictor."""

    name: str
    service: str
    api_path: str

    def api_body(self, number: int) -> dict[str, object]:
        """Body of the call to the API."""
        if self.service == "recommender":
            return {"user_id": str(1 + number % 943), "limit": 20}
        return {"items": [{"id": "1", "text": text(number, 112)}]}

    def predictor_body(self, number: int) -> dict[str, object]:
        """Body of the V1 call to the predictor that answers the same question."""
        if self.service == "recommender":
            return {"instances": [self.api_body(number)]}
        return {"instances": [{"text": text(number, 112)}]}


@dataclass
class LargeCatalogue(Endpoint):
    """Recommendations to anonymous visitors, of 5 to 300 clicks each, over a large catalogue."""

    titles: int

    def api_body(self, number: int) -> dict[str, object]:
        """Body of the call to the API."""
        random = np.random.default_rng(number)
        clicked = random.integers(0, self.titles, random.integers(5, 300)).tolist()
        return {"history": [f"m{title}" for title in clicked], "limit": 20}


ENDPOINTS = (
    Endpoint("recommendations", "recommender", "/api/ml/recommendations"),
    Endpoint("sentiment", "sentiment", "/api/ml/sentiment"),
    Endpoint("moderation", "moderation", "/api/ml/moderation"),
)


class Caller:
    """One kept-alive HTTP/1.1 connection; a full client would cost more than what is measured."""

    def __init__(self, url: str, path: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname, parts.port, path

    async def open(self) -> "Caller":
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def post(self, body: dict[str, object]) -> float:
        """Post a JSON body and return the seconds until the whole answer was there."""
        data = json.dumps(body).encode()
        head = f"POST {self._path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        started = time.perf_counter()
        self._writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(data) + data)
        status = await self._reader.readline()
        length = 0
        while (line := await self._reader.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        answer = await self._reader.readexactly(length)
        elapsed = time.perf_counter() - started
        if b" 200 " not in status:
            raise RuntimeError(f"{self._path} answered {status.decode().strip()}: {answer[:300].decode()}")
        return elapsed


async def one_by_one(
    endpoint: Endpoint, api_url: str, predictor_url: str, requests: int
) -> tuple[list[float], list[float]]:
    """Call API and predictor in turns; return the seconds of each call."""
    api = await Caller(api_url, endpoint.api_path).open()
    predictor = await Caller(predictor_url, f"/v1/models/{endpoint.service}:predict").open()
    for number in range(20):
        await api.post(endpoint.api_body(number))
        await predictor.post(endpoint.predictor_body(number))
    through_api, bare = [], []
    for number in range(requests):
        through_api.append(await api.post(endpoint.api_body(100 + number)))
        bare.append(await predictor.post(endpoint.predictor_body(100 + number)))
    return through_api, bare


async def under_load(endpoint: Endpoint, url: str, path: str, api: bool, requests: int, callers: int) -> list[float]:
    """Let callers call at once; return the seconds of each call and, last, of the whole."""
    numbers: Iterator[int] = iter(range(requests))
    seconds: list[float] = []

    async def call() -> None:
        caller = await Caller(url, path).open()
        for number in numbers:
            body = endpoint.api_body(number) if api else endpoint.predictor_body(number)
            seconds.append(await caller.post(body))

    started = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    return [*seconds, time.perf_counter() - started]


def measure(endpoint: Endpoint, api_url: str, predictor_url: str, requests: int, callers: int) -> list[Row]:
    """Return the rows of an endpoint."""
    api, bare = asyncio.run(one_by_one(endpoint, api_url, predictor_url, requests))
    rows = [
        Row(f"{endpoint.name}_{name}_ms", quantile(api, q), "ms", "bare predictor", quantile(bare, q), "1 caller")
        for name, q in (("p50", 0.5), ("p99", 0.99))
    ]
    overhead = statistics.median(a - b for a, b in zip(api, bare, strict=True)) * 1000
    rows.append(Row(f"{endpoint.name}_api_overhead_p50_ms", overhead, "ms", "bare predictor p50", quantile(bare, 0.5)))
    predict = f"/v1/models/{endpoint.service}:predict"
    results: dict[bool, list[list[float]]] = {True: [], False: []}
    for _, through_api in itertools.product(range(2), (True, False)):
        url, path = (api_url, endpoint.api_path) if through_api else (predictor_url, predict)
        results[through_api].append(asyncio.run(under_load(endpoint, url, path, through_api, requests, callers)))
    rate = {kind: requests * len(runs) / sum(run[-1] for run in runs) for kind, runs in results.items()}
    slowest = {kind: quantile([s for run in runs for s in run[:-1]], 0.99) for kind, runs in results.items()}
    note = f"{callers} callers"
    rows.append(Row(f"{endpoint.name}_throughput_per_s", rate[True], "1/s", "bare predictor", rate[False], note))
    rows.append(Row(f"{endpoint.name}_loaded_p99_ms", slowest[True], "ms", "bare predictor", slowest[False], note))
    return rows


def quantile(seconds: list[float], q: float) -> float:
    """Return a quantile in milliseconds."""
    return float(np.quantile(seconds, q)) * 1000


def memory() -> list[Row]:
    """Return the resident memory of each serving process, as a share of all."""
    resident = {}
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        command = " ".join(process.cmdline())
        name = "stand-in and load generator"
        if served := re.search(r"--model_name=(\S+)", command):
            name = f"predictor {served[1]}"
        elif "serving.api" in command:
            name = "API"
        resident[name] = resident.get(name, 0.0) + process.memory_info().rss / 2**20
    total = sum(resident.values())
    return [
        *(Row(f"rss_{name.replace(' ', '_')}", size, "MiB", "all processes", total) for name, size in resident.items()),
        Row("rss_all_processes", total, "MiB", "budget", 3 * 1024.0),
    ]


def pipeline_steps() -> list[Row]:
    """Return the time of each step of the latest pipeline runs, as a share of its pipeline."""
    rows = []
    for name in PIPELINE_NAMES:
        run = last_run(name)
        if run:
            total = sum(run.seconds.values())
            profile = str(run.parameters.get("profile", "demo"))
            rows += [
                Row(f"{name}_{step_}_s", seconds, "s", "whole pipeline", total, profile)
                for step_, seconds in run.seconds.items()
            ]
    return rows


def main() -> None:
    """Serve, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--callers", type=int, default=8)
    options = parser.parse_args()
    settings = get_settings()
    rows = [
        *serve_and_measure(ENDPOINTS, settings, options.requests, options.callers),
        *large_catalogue(100_000, settings, options.requests, options.callers),
        *pipeline_steps(),
    ]
    report("serving", rows)


def serve_and_measure(endpoints: Sequence[Endpoint], settings: Settings, requests: int, callers: int) -> list[Row]:
    """Serve what is deployed under the settings' home, and return the rows of the endpoints and of the memory."""
    rows: list[Row] = []
    with running(settings.model_copy(update={"api_port": 0})) as api_url:
        objects = ObjectDirectory(settings.inference_services)
        for endpoint in endpoints:
            service = objects.get(endpoint.service)
            predictor_url = variants(service)[0].url if service else None
            if predictor_url is None:
                raise SystemExit(f"{endpoint.service} is not served. Run mediareview up first.")
            with step(f"{endpoint.name}: {requests} requests, {callers} callers", expected_s=30):
                rows += measure(endpoint, api_url, predictor_url, requests, callers)
        return rows + memory()


def large_catalogue(titles: int, settings: Settings, requests: int, callers: int) -> list[Row]:
    """Return the rows of a recommender for so many titles."""
    name = f"recommendations_{titles // 1000}k_titles"
    with tempfile.TemporaryDirectory() as home:
        artifact = Path(home) / "artifact"
        artifact.mkdir()
        write_artifact(titles, artifact)
        own = settings.model_copy(update={"home": Path(home)})
        deploy("recommender", "1", artifact.as_uri(), own)
        endpoint = LargeCatalogue(name, "recommender", "/api/ml/recommendations", titles)
        rows = serve_and_measure([endpoint], own, requests, callers)
    for row in rows:
        row.metric = row.metric.replace("rss_", f"{name}_rss_") if row.metric.startswith("rss_") else row.metric
    return rows


if __name__ == "__main__":
    main()
