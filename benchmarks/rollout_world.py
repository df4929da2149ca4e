"""A home in which the sentiment model has several versions, and the platform that serves it as a process of its own.

The good versions are trained on the demo data's film sentences, whose human labels come back as feedback on what the
models answered to sentences that they have never seen. The sabotaged ones are real artifacts too: they load, they pass
their checksums, they become ready, and then they are wrong or fail.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from components.ingestion import ReadOptions, ingest_file
from components.ingestion.demo import DATA_SETS, obtain
from components.linear import fit_linear
from components.linear.training import CHARACTERS, WORDS
from components.registry import Registry
from components.sentiment.config import LABELS, Config
from components.sentiment.load import prepare
from components.texts.artifact import save_text_model
from mediareview.artifact import ModelCard
from mediareview.lake import Lake
from mediareview.settings import Settings, get_settings
from serving.objects import ObjectDirectory, inference_service, serving_runtime
from serving.scorers.linear import LinearText
from serving.scorers.text import TextSettings
from serving.standin.replica import free_port

SERVICE = "sentiment"
START_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Sentence:
    """A sentence that no version has seen, and what people say of it."""

    text: str
    label: str


def labelled_texts(directory: Path, settings: Settings) -> Lake:
    """Return a lake in a directory with the film sentences of the demo data and what people say of them."""
    lake = Lake(directory.as_uri(), settings)
    (data_set,) = (item for item in DATA_SETS if item.source == Config().benchmark_source)
    path = obtain(data_set.package, get_settings().downloads) / data_set.path
    ingest_file(lake, data_set.table, path, data_set.format, ReadOptions(source=data_set.source))
    return lake


class World:
    """A home with registered versions of the sentiment model.

    Args:
        home: an empty directory.
    """

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home, api_port=free_port())
        self.objects = ObjectDirectory(self.settings.inference_services)
        self.registry = Registry.from_settings(self.settings)
        self.sentences: list[Sentence] = []
        self.versions: dict[str, str] = {}
        """What a version is to its registry version."""

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"http://{self.settings.api_host}:{self.settings.api_port}"

    def train(self, lake: Lake) -> None:
        """Register ``stable``, ``better``, ``wrong``, ``failing`` and ``broken``, and deploy ``stable``.

        Args:
            lake: with the labelled reviews of the demo data.
        """
        columns = ["review_id", "text", "sentiment", "split", "source"]
        reviews = lake.read("reviews", columns=columns).to_pandas()
        texts = prepare(reviews[reviews["sentiment"].notna()].reset_index(drop=True), Config())
        fitting = texts[texts["part"] == "train"]
        unseen = texts[(texts["part"] == "test") & texts["benchmark"]]
        self.sentences = [
            Sentence(text, LABELS[label]) for text, label in zip(unseen["text"], unseen["label"], strict=True)
        ]
        stable = self._fit(fitting, balanced=True)
        better = self._fit(fitting, balanced=False, characters=True)
        self._register("stable", stable)
        self._register("better", better)
        self._register("wrong", stable, labels=(LABELS[2], LABELS[0], LABELS[1]))
        self._register("failing", _with_nan(stable, ("the", "of", "and", "that", "movie")))
        self._register("broken", replace(stable, intercepts=np.full_like(stable.intercepts, np.nan)))
        self.objects.apply(serving_runtime())
        version = self.registry.version(SERVICE, self.versions["stable"])
        self.registry.set_champion(version)
        self.objects.apply(inference_service(SERVICE, version.uri, version.version))

    @contextlib.contextmanager
    def serving(self) -> Iterator["Platform"]:
        """Run ``mediareview serve`` until the end of the block."""
        platform = Platform(self)
        try:
            platform.wait_ready()
            yield platform
        finally:
            platform.stop()

    def run(self, *arguments: str, code: int | None = 0) -> str:
        """Run the command line and return what it prints on stdout.

        Raises:
            RuntimeError: it ended with another exit code; None accepts any.
        """
        command = [sys.executable, "-m", "mediareview", *arguments]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False)
        if code is not None and done.returncode != code:
            raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout or done.stderr

    def status(self) -> dict[str, Any]:
        """Return what ``rollout status --json`` prints."""
        found: dict[str, Any] = json.loads(self.run("rollout", "status", SERVICE, "--json"))
        return found

    def environment(self) -> dict[str, str]:
        """Return the environment of commands in this home."""
        return {
            **os.environ,
            "MEDIAREVIEW_HOME": str(self.settings.root),
            "MEDIAREVIEW_API_PORT": str(self.settings.api_port),
            "MEDIAREVIEW_ROLLOUT_INTERVAL_S": "1",
        }

    def _fit(self, texts: pd.DataFrame, *, balanced: bool, characters: bool = False) -> LinearText:
        return fit_linear(
            texts["normalised"].tolist(),
            texts["label"].to_numpy(),
            multilabel=False,
            ngrams=(WORDS, CHARACTERS) if characters else (WORDS,),
            balanced=balanced,
        )

    def _register(self, what: str, linear: LinearText, labels: tuple[str, ...] = LABELS) -> None:
        directory = self.settings.root / "trained" / what
        save_text_model(
            directory, SERVICE, "tfidf-logistic", TextSettings(labels=list(labels)), ModelCard(), linear=linear
        )
        registered = self.registry.register(directory, ModelCard(summary=what), {"digest": what, "role": "candidate"})
        self.versions[what] = registered.version


class Platform:
    """``mediareview serve`` as a process."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.log = world.settings.root / "serve.log"
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mediareview", "serve"],
                env=world.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_ready(self) -> None:
        """Wait until the stable predictor answers through the API.

        Raises:
            RuntimeError: it does not.
        """
        import httpx

        deadline = time.monotonic() + START_TIMEOUT_S
        body = {"items": [{"id": "1", "text": "a good film"}]}
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.post(f"{self._world.url}/api/ml/{SERVICE}", json=body, timeout=5).is_success:
                    return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the platform does not start:\n{self.log.read_text()}")
            time.sleep(0.2)

    def processes(self, part: str) -> list[psutil.Process]:
        """Return the running processes whose command line holds a text, for example ``serving.api``."""
        found = []
        for child in psutil.Process(self._process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # a zombie counts as gone
                if part in " ".join(child.cmdline()):
                    found.append(child)
        return found

    def predictors(self, version: str) -> list[psutil.Process]:
        """Return the running predictors of a registry version."""
        artifact = self._world.registry.version(SERVICE, version).uri.removeprefix("file://")
        return [process for process in self.processes("serving.predictors") if artifact in " ".join(process.cmdline())]

    def stop(self) -> None:
        """Let it drain and end."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def slowed(processes: list[psutil.Process], stopped_s: float = 0.4, running_s: float = 0.02) -> Iterator[None]:
    """Let processes run a small part of the time only: they answer, but slowly."""
    code = (
        "import os, signal, sys, time\n"
        "stopped_s, running_s, *pids = sys.argv[1:]\n"
        "while True:\n"
        "    for pid in pids: os.kill(int(pid), signal.SIGSTOP)\n"
        "    time.sleep(float(stopped_s))\n"
        "    for pid in pids: os.kill(int(pid), signal.SIGCONT)\n"
        "    time.sleep(float(running_s))\n"
    )
    pids = [str(process.pid) for process in processes]
    pump = subprocess.Popen(
        [sys.executable, "-c", code, str(stopped_s), str(running_s), *pids], stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        pump.kill()
        pump.wait()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


def _with_nan(linear: LinearText, words: Iterable[str]) -> LinearText:
    """Return a model that fails on every text with one of these words."""
    broken = linear.coefficients.copy()
    broken[:, [linear.vocabularies[0][word] for word in words]] = np.nan
    return replace(linear, coefficients=broken)
