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
    VARIANT_REFUSED,
    Kind,
)
from serving.api.schemas import Model
from serving.experiments import variant_tokens, visitors

BODY_PROBLEMS = (INVALID_JSON, BODY_TIMEOUT, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST, INTERNAL)
"""What may be wrong with a request that has a body."""

PREDICTOR_PROBLEMS = (VARIANT_REFUSED, PREDICTOR_FAILED, PREDICTOR_UNAVAILABLE, PREDICTOR_TIMEOUT, OVERLOADED)
"""What may be wrong with a predictor, or with the choice of one."""


def json_response(answer: BaseModel, status: int = 200) -> Response:
    """Return an answer as it is: it was validated when it was made, and is not again. Absent values are left out."""
    return Response(answer.model_dump_json(exclude_unset=True), status, media_type="application/json")


def answered_by(request: Request, served: Served) -> Model:
    """Note for the metrics which model answered, and return it for the caller."""
    request.state.served = served
    return Model(name=served.name, version=served.version, variant=served.variant)


def _header(name: str, where: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": where, "required": False, "schema": {"type": "string"}, "description": description}


VARIANTS: dict[str, Any] = {
    "parameters": [
        _header(
            visitors.HEADER,
            "header",
            "The token that an earlier answer gave a visitor without an account: the same one is then answered by the "
            "same variant. One that was not made here is replaced.",
        ),
        _header(visitors.COOKIE, "cookie", f"The same token, kept as a cookie; {visitors.HEADER} comes first."),
        _header(variant_tokens.HEADER, "header", "A tester's token, which chooses the variant that answers."),
    ]
}
"""OpenAPI of what a request to a model may carry besides."""

VISITOR_HEADERS: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            visitors.HEADER: {
                "description": "Token of a visitor without an account, while variants are compared: send it again.",
                "schema": {"type": "string"},
            },
            "Set-Cookie": {"description": "The same token, for browsers.", "schema": {"type": "string"}},
        }
    }
}
"""OpenAPI of what a model's answer may carry besides."""


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
