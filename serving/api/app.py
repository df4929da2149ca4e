"""The application: endpoints, what surrounds them, and their description."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from mediareview import __version__
from mediareview.settings import Settings
from serving.api.directory import PredictorDirectory, open_directory
from serving.api.endpoints import feedback, operations, recommendations, texts
from serving.api.metrics import ApiMetrics
from serving.api.middleware import REQUEST_ID_HEADER, RequestMiddleware
from serving.api.problems import Problem, handle_http_exception, handle_validation_error
from serving.api.services import Services
from serving.predictors.disconnect import CancelOnDisconnect

DESCRIPTION = """Recommendations, sentiment and moderation for a review network.

Every error is a problem document (RFC 9457) that says what to do. 503 comes with `Retry-After`: wait that long and
try again. Every answer carries a `request_id`, also in the header `X-Request-ID`; send that header to choose it
(1 to 128 characters of `A-Za-z0-9._:-`).
"""


def create_app(settings: Settings, predictors: PredictorDirectory | None = None) -> FastAPI:
    """Return the application; it opens connections and files when it is started.

    Args:
        settings: timeouts, limits, and where events go.
        predictors: knows where the predictors are; by default the deployed InferenceService objects say it.

    Raises:
        MediaReviewError: they are on a cluster that is not known here, or there is no key to sign tokens with.
    """
    directory = predictors or open_directory(settings)
    metrics = ApiMetrics()
    services = Services.from_settings(settings, directory, metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with services.running():
            yield

    app = FastAPI(
        title="MediaReview ML",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        # Both load their scripts from the internet.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            HTTPException: handle_http_exception,
            RequestValidationError: handle_validation_error,
        },
    )
    for module in (recommendations, texts, feedback, operations):
        app.include_router(module.router(services))
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    metrics.know([*app.openapi()["paths"], "/openapi.json"])
    app.add_middleware(RequestMiddleware, metrics=metrics)
    app.add_middleware(CancelOnDisconnect)
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return the description, with what all operations share: the request id, and problem documents."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        template = "#/components/schemas/{model}"
        problem = Problem.model_json_schema(ref_template=template)
        schema["components"]["schemas"] |= {**problem.pop("$defs"), "Problem": problem}
        text = {"schema": {"type": "string"}}
        for operations_ in schema["paths"].values():
            for operation in operations_.values():
                parameter = {"name": REQUEST_ID_HEADER, "in": "header", "required": False, **text}
                operation.setdefault("parameters", []).append(
                    {**parameter, "description": "Your id of the request; made up if absent or not of the form above."}
                )
                for response in operation["responses"].values():
                    header = {"description": "The id of the request.", **text}
                    response["headers"] = {**response.get("headers", {}), REQUEST_ID_HEADER: header}
        app.openapi_schema = schema
    return app.openapi_schema
