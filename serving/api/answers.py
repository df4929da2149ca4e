"""How answers are written and documented, for all endpoints alike."""

from collections import defaultdict
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel

from serving.api.metrics import Served
from serving.api.problems import (
    BODY_TIMEOUT,
    BODY_TOO_LARGE,
    INTERNAL,
    INVALID_JSON,
    INVALID_REQUEST,
    OVERLOADED,
    PREDICTOR_FAILED,
    PREDICTOR_TIMEOUT,
    PREDICTOR_UNAVAILABLE,
    PROBLEM_JSON,
    UNSUPPORTED_MEDIA_TYPE,
    Kind,
)
from serving.api.schemas import Model

BODY_PROBLEMS = (INVALID_JSON, BODY_TIMEOUT, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST, INTERNAL)
"""What may be wrong with a request that has a body."""

PREDICTOR_PROBLEMS = (PREDICTOR_FAILED, PREDICTOR_UNAVAILABLE, PREDICTOR_TIMEOUT, OVERLOADED)
"""What may be wrong with a predictor."""


def json_response(answer: BaseModel, status: int = 200) -> Response:
    """Return an answer as it is: it was validated when it was made, and is not again. Absent values are left out."""
    return Response(answer.model_dump_json(exclude_unset=True), status, media_type="application/json")


def answered_by(request: Request, served: Served) -> Model:
    """Note for the metrics which model answered, and return it for the caller."""
    request.state.served = served
    return Model(name=served.name, version=served.version, variant=served.variant)


def documented(*problems: Kind) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of an endpoint's problems, by status."""
    by_status: dict[int, list[Kind]] = defaultdict(list)
    for kind in problems:
        by_status[kind.status].append(kind)
    return {status: _documented(status, kinds) for status, kinds in sorted(by_status.items())}


def _documented(status: int, kinds: list[Kind]) -> dict[str, Any]:
    examples = {
        kind.slug: {
            "value": {
                "type": f"urn:mediareview:problem:{kind.slug}",
                "title": kind.title,
                "status": status,
                "detail": "What is wrong with this request, and what to do.",
                "request_id": "01a2b3c4d5e6f708192a3b4c5d6e7f80",
            }
        }
        for kind in kinds
    }
    content = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}}
    retry = {"Retry-After": {"description": "Seconds to wait before trying again.", "schema": {"type": "integer"}}}
    later = any(kind.status in (408, 503, 507) for kind in kinds)
    return {
        "description": "; ".join(kind.title for kind in kinds),
        "content": content,
        **({"headers": retry} if later else {}),
    }
