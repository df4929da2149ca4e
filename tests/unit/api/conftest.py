"""The application in front of a real, small V1 server on a loopback socket, whose behaviour tests choose."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from mediareview.settings import Settings
from serving.api import create_app
from serving.api.directory import Deployment
from serving.experiments import Experiment
from serving.objects import Variant

TITLES = ["Alien (1979)", "Brazil (1985)", "Casablanca (1942)"]


def recommend(instance: dict[str, Any]) -> dict[str, Any]:
    items = [
        {"media_id": str(number), "title": title, "score": 1.0 - number / 10, "reasons": ["popular"]}
        for number, title in enumerate(TITLES)
    ]
    fallback = None if instance["user_id"] == "196" else "unknown_user"
    return {"items": items[: instance["limit"]], "fallback": fallback}


def read(instance: dict[str, Any]) -> dict[str, Any]:
    label = "positive" if "good" in instance["text"] else "negative"
    return {"label": label, "scores": {"negative": 0.25, "neutral": 0.25, "positive": 0.5}}


def moderate(instance: dict[str, Any]) -> dict[str, Any]:
    categories = {"spam": 0.125, "abusive": 0.75, "inappropriate": 0.0}
    return {"action": "review", "categories": categories, "reasons": [f"by {instance['author_id']}"]}


CANARY_VERSION = "4"


class Predictors:
    """The predictors of all models: one server, and a directory that knows its address.

    A canary is another path of the server, and its behaviour is that of ``MODEL/canary``, or else of ``MODEL``.
    """

    problem = ""

    def __init__(self) -> None:
        self.models: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "recommender": recommend,
            "sentiment": read,
            "moderation": moderate,
        }
        self.url: str | None = None
        self.version = "3"
        self.delays_s: dict[str, float] = {}
        self.answers: dict[str, Response] = {}
        """Predictor to what it answers instead of predictions."""
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        """Predictor, headers and body of each call."""
        self.deployments: dict[str, Deployment | None] = {}
        """Model to what the directory says of it instead of the server's address."""
        self.app = Starlette(
            routes=[
                Route("/v1/models/{model}:predict", self._predict, methods=["POST"]),
                Route("/{variant}/v1/models/{model}:predict", self._predict, methods=["POST"]),
                Route("/v2/models/{model}/ready", self._ready),
            ]
        )

    def find(self, model: str) -> Deployment | None:
        if model in self.deployments:
            return self.deployments[model]
        return Deployment([Variant("stable", self.version, 100, self.url)])

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def down(self, model: str, message: str = "") -> None:
        self.deployments[model] = Deployment([Variant("stable", self.version, 100, None)], message)

    def at(self, model: str, url: str) -> None:
        self.deployments[model] = Deployment([Variant("stable", self.version, 100, url)])

    def split(self, model: str, experiment: Experiment, canary_url: str | None = "") -> None:
        """Add a canary to a model; by default at the server, and None where none runs."""
        url = f"{self.url}/canary" if canary_url == "" else canary_url
        percent = experiment.traffic_percent
        stable = Variant(experiment.stable, self.version, 100 - percent, self.url)
        canary = Variant(experiment.canary, CANARY_VERSION, percent, url)
        self.deployments[model] = Deployment([stable, canary], "", experiment)

    def asked(self) -> list[str]:
        """Return the predictors that were called, in order."""
        return [predictor for predictor, _, _ in self.requests]

    async def _predict(self, request: Request) -> Response:
        model, variant = request.path_params["model"], request.path_params.get("variant")
        predictor = f"{model}/{variant}" if variant else model
        body = json.loads(await request.body())
        self.requests.append((predictor, dict(request.headers), body))
        await asyncio.sleep(self.delays_s.get(predictor, 0.0))
        if predictor in self.answers:
            return self.answers[predictor]
        score = self.models.get(predictor, self.models[model])
        predictions = [score(instance) for instance in body["instances"]]
        version = CANARY_VERSION if variant else self.version
        return JSONResponse({"predictions": predictions}, headers={"x-model-version": version})

    async def _ready(self, request: Request) -> Response:
        return JSONResponse({"ready": True}, status_code=503 if request.path_params["model"] in self.answers else 200)


@pytest.fixture
def predictors() -> Iterator[Predictors]:
    predictors = Predictors()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(predictors.app, log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        predictors.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield predictors
        server.should_exit = True
        thread.join()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def client(settings: Settings, predictors: Predictors) -> Iterator[TestClient]:
    with TestClient(create_app(settings, predictors)) as client:
        yield client


@pytest.fixture
def dead_url() -> str:
    """Return an address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def events(settings: Settings) -> Callable[..., list[dict[str, Any]]]:
    """Return a function that reads the events on disk."""

    def stored(table: str = "feedback") -> list[dict[str, Any]]:
        files = sorted((settings.events / table).glob("*.jsonl"))
        return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]

    return stored
