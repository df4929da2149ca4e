"""``/healthz``, ``/readyz``, ``/metrics``: for those who run the API."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from serving.api.answers import documented, json_response
from serving.api.metrics import CONTENT_TYPE
from serving.api.predictors import Readiness
from serving.api.problems import INTERNAL, NOT_READY, ProblemError
from serving.api.services import Services


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """All models answer."""

    status: Literal["ready"] = "ready"
    predictors: dict[str, Readiness]


def router(services: Services) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["operations"])
    clients = services.clients

    @routes.get("/healthz", responses=documented(INTERNAL), summary="Whether the API is alive")
    async def healthz() -> Alive:
        """Answer, whatever the state of the models: a restart of the API would not help them."""
        return Alive()

    @routes.get(
        "/readyz", response_model=Ready, responses=documented(INTERNAL, NOT_READY), summary="Whether all models answer"
    )
    async def readyz() -> Response:
        """Ask each predictor. The problem document lists them as well, in ``predictors``."""
        found = await asyncio.gather(*(client.readiness() for client in clients))
        predictors = {client.model: readiness for client, readiness in zip(clients, found, strict=True)}
        waiting = [f"{model}: {state.reason}" for model, state in predictors.items() if not state.ready]
        if waiting:
            raise ProblemError(
                NOT_READY,
                "; ".join(waiting),
                retry_after_s=2,
                predictors={model: state.model_dump() for model, state in predictors.items()},
            )
        return json_response(Ready(status="ready", predictors=predictors))

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus metrics"},
            **documented(INTERNAL),
        },
        summary="Prometheus metrics",
    )
    async def metrics() -> Response:
        """Return requests, errors and latency by endpoint, model, version and variant, and more."""
        return Response(await services.metrics.exposition(), media_type=CONTENT_TYPE)

    return routes
