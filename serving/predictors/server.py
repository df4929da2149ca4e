"""KServe's model server, bound to one address, quiet, and clear about what went wrong."""

import logging
import logging.config
import time
import warnings
from pathlib import Path
from textwrap import shorten
from typing import Any

import kserve.logging
import psutil
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kserve import ModelServer
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady
from kserve.model_server import app

from mediareview.artifact import Manifest
from mediareview.errors import MediaReviewError
from mediareview.settings import get_settings
from serving.online_features import OnlineFeatures
from serving.predictors.batching import OverloadedError, ScoringError
from serving.predictors.disconnect import CancelOnDisconnect
from serving.predictors.moderation import ModerationPredictor
from serving.predictors.predictor import Predictor
from serving.predictors.recommendation import RecommendationPredictor
from serving.predictors.text import TextPredictor
from serving.scorers import load_scorer
from serving.scorers.text import TextClassifier

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 1
SHOWN_CHARACTERS = 300
"""Of what a library says of a damaged file: it is repeated wherever somebody waits for the model."""


class _NotTheCallersMistake(logging.Filter):
    """Drops KServe's tracebacks of bad requests: the caller is told, and the metrics count them."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, InvalidInput | ModelNotFound | ModelNotReady)


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {"mistakes": {"()": _NotTheCallersMistake}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["mistakes"]}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "kserve": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "serving": {"level": "INFO"},
        # Access logs cost half the throughput; the metrics count requests.
        "uvicorn.access": {"handlers": [], "propagate": False},
    },
}


def serve(
    name: str,
    directory: Path,
    manifest: Manifest,
    *,
    host: str,
    port: int,
    grace_period_s: int,
    **limits: Any,
) -> None:
    """Load an artifact, warm it up and serve it until SIGTERM.

    Args:
        name: name in the endpoint's path.
        directory: of the artifact.
        manifest: of the artifact.
        host: address to listen on.
        port: port to listen on.
        grace_period_s: time for running requests on SIGTERM, in seconds.
        limits: of the batching: ``max_batch_size``, ``max_wait_s``, ``max_queue``.

    Raises:
        MediaReviewError: the artifact cannot be loaded.
    """
    kserve.logging.configure_logging(LOGGING)
    warnings.filterwarnings("ignore", "ORJSONResponse is deprecated")  # KServe's choice, not ours
    predictor = load_predictor(name, directory, manifest, **limits)
    app.add_middleware(CancelOnDisconnect)
    app.add_exception_handler(OverloadedError, _overloaded)
    app.add_exception_handler(ScoringError, _scoring_failed)
    app.add_exception_handler(RequestValidationError, _malformed)
    process = psutil.Process()
    logger.info(
        "Serving %s version %s (%s) on http://%s:%d after %.1f s, %d MB",
        name,
        predictor.version,
        manifest.variety,
        host,
        port,
        time.time() - process.create_time(),
        process.memory_info().rss / 1e6,
    )
    _BoundModelServer(host, port, grace_period_s).start([predictor])
    logger.info("Stopped")


def load_predictor(name: str, directory: Path, manifest: Manifest, **limits: Any) -> Predictor[Any, Any]:
    """Load an artifact's scorer and make its first prediction.

    Raises:
        MediaReviewError: the artifact cannot be loaded or does not work.
    """
    try:
        scorer = load_scorer(directory, threads=get_settings().threads)
        if isinstance(scorer, TextClassifier) and scorer.exclusive:
            return TextPredictor(name, manifest, scorer, **limits)
        features = OnlineFeatures(get_settings())
        if isinstance(scorer, TextClassifier):
            return ModerationPredictor(name, manifest, scorer, features, **limits)
        return RecommendationPredictor(name, manifest, scorer, features, **limits)
    except MediaReviewError:
        raise
    except Exception as error:  # a damaged file makes a library raise anything
        said = shorten(str(error), SHOWN_CHARACTERS)
        raise MediaReviewError(
            f"The artifact in {directory} does not load: {type(error).__name__}: {said}",
            "Train the model again, or deploy another version.",
        ) from error


class _BoundModelServer(ModelServer):  # type: ignore[misc]
    """KServe's server on a given address instead of 0.0.0.0, for which KServe has no option."""

    def __init__(self, host: str, port: int, grace_period_s: int) -> None:
        super().__init__(
            http_port=port, workers=1, enable_grpc=False, enable_latency_logging=False, grace_period=grace_period_s
        )
        self._host = host

    async def _serve(self) -> None:
        # start() has built uvicorn's configuration; the address is read when the awaited server binds.
        self._rest_server.config.host = self._host
        await super()._serve()


async def _overloaded(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse(
        {"error": f"The model is overloaded: {error}. Try again in a moment."},
        status_code=503,
        headers={"retry-after": str(RETRY_AFTER_S)},
    )


async def _scoring_failed(request: Request, error: Exception) -> JSONResponse:
    logger.error("Scoring failed: %s", error, exc_info=error.__cause__)
    return JSONResponse({"error": f"The model failed on an instance: {error}."}, status_code=500)


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    first = f"{'.'.join(map(str, problems[0]['loc']))}: {problems[0]['msg']}" if problems else str(error)
    return JSONResponse({"error": f"The request does not follow the V2 protocol: {first}."}, status_code=400)
