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


class Predictors:
    """The predictors of all models: one server, and a directory that knows its address."""

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
        """Model to what it answers instead of predictions."""
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        """Model, headers and body of each call."""
        self.deployments: dict[str, Deployment | None] = {}
        """Model to what the directory says of it instead of the server's address."""
        self.app = Starlette(
            routes=[
                Route("/v1/models/{model}:predict", self._predict, methods=["POST"]),
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

    async def _predict(self, request: Request) -> Response:
        model = request.path_params["model"]
        body = json.loads(await request.body())
        self.requests.append((model, dict(request.headers), body))
        await asyncio.sleep(self.delays_s.get(model, 0.0))
        if model in self.answers:
            return self.answers[model]
        predictions = [self.models[model](instance) for instance in body["instances"]]
        return JSONResponse({"predictions": predictions}, headers={"x-model-version": self.version})

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
def events(settings: Settings) -> Callable[[], list[dict[str, Any]]]:
    """Return a function that reads the events on disk."""

    def stored() -> list[dict[str, Any]]:
        files = sorted((settings.events / "feedback").glob("*.jsonl"))
        return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]

    return stored
