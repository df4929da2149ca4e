"""The whole of serving, with tiny models: real predictor processes, the real stand-in, the real API process."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from mediareview.settings import Settings
from serving.objects import ObjectDirectory, inference_service, serving_runtime
from serving.platform import running

MODELS = ("recommender", "sentiment", "moderation")


class Platform:
    """A running platform, and its processes."""

    def __init__(self, settings: Settings, url: str, parent: psutil.Process) -> None:
        self.settings = settings
        self.url = url
        self.parent = parent

    def processes(self, *words: str) -> list[psutil.Process]:
        """Return the child processes whose command line holds all the words."""
        return [item for item in children(self.parent) if set(words) <= set(item.cmdline())]

    def process(self, *words: str) -> psutil.Process:
        """Return the one child process whose command line holds all the words."""
        (found,) = self.processes(*words)
        return found

    def predictor(self, model: str) -> psutil.Process:
        return self.process("serving.predictors", f"--model_name={model}")

    def api(self) -> psutil.Process:
        return self.process("serving.api")

    def events(self) -> list[dict[str, Any]]:
        """Return what is on disk."""
        files = sorted((self.settings.events / "feedback").glob("*.jsonl"))
        return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]

    def until(self, happens: Callable[[], bool], timeout_s: float = 60.0) -> None:
        """Wait for something to happen."""
        until(happens, timeout_s)


def children(parent: psutil.Process) -> list[psutil.Process]:
    return [item for item in parent.children(recursive=True) if item.status() != psutil.STATUS_ZOMBIE]


def until(happens: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not happens():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def artifacts(text_artifact: Callable[..., Path], recommender_artifact: Path) -> dict[str, Path]:
    return {
        "recommender": recommender_artifact,
        "sentiment": text_artifact("sentiment", version="3"),
        "moderation": text_artifact("moderation", version="7"),
    }


@pytest.fixture(scope="session")
def deploy(artifacts: dict[str, Path]) -> Callable[[Settings], None]:
    """Return a function that deploys a tiny model of each kind."""

    def apply(settings: Settings) -> None:
        objects = ObjectDirectory(settings.inference_services)
        objects.apply(serving_runtime())
        for version, (model, artifact) in zip("537", artifacts.items(), strict=True):
            objects.apply(inference_service(model, artifact.as_uri(), version))

    return apply


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, deploy: Callable[[Settings], None]) -> Iterator[Platform]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), api_port=0)
    deploy(settings)
    with running(settings) as url:
        yield Platform(settings, url, psutil.Process())


@pytest.fixture
def client(platform: Platform) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=platform.url, timeout=30) as client:
        until(lambda: client.get("/readyz").is_success)
        yield client
