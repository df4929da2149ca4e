"""Errors as problem documents (RFC 9457): what is wrong, where, and what to do."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

PROBLEM_JSON = "application/problem+json"
SHOWN_ERRORS = 20


@dataclass(frozen=True)
class Kind:
    """A kind of problem: the last part of its ``type``, its status and its title."""

    slug: str
    status: int
    title: str


INVALID_JSON = Kind("invalid-json", 400, "The body is not JSON")
VARIANT_REFUSED = Kind("variant-refused", 403, "This variant cannot be had")
NOT_FOUND = Kind("not-found", 404, "There is no such endpoint")
METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, "The endpoint does not know this method")
BODY_TIMEOUT = Kind("body-timeout", 408, "The body did not arrive in time")
EVENT_CONFLICT = Kind("event-conflict", 409, "Another event has this id")
BODY_TOO_LARGE = Kind("body-too-large", 413, "The body is too large")
UNSUPPORTED_MEDIA_TYPE = Kind("unsupported-media-type", 415, "The body must be plain JSON")
INVALID_REQUEST = Kind("invalid-request", 422, "The request does not fit its schema")
INTERNAL = Kind("internal", 500, "Something went wrong here")
PREDICTOR_FAILED = Kind("predictor-failed", 502, "The model failed on this request")
PREDICTOR_UNAVAILABLE = Kind("predictor-unavailable", 503, "The model does not answer")
PREDICTOR_TIMEOUT = Kind("predictor-timeout", 503, "The model did not answer in time")
OVERLOADED = Kind("overloaded", 503, "Too many requests at once")
EVENTS_UNAVAILABLE = Kind("events-unavailable", 503, "Events cannot be stored now")
STORAGE_FULL = Kind("storage-full", 507, "No space is left for events")
NOT_READY = Kind("not-ready", 503, "Some models are not ready")

_BY_STATUS = {404: NOT_FOUND, 405: METHOD_NOT_ALLOWED}


class FieldError(BaseModel):
    """What is wrong with one part of the request."""

    detail: str
    pointer: str | None = Field(
        default=None, description="JSON Pointer into the body (RFC 6901).", examples=["#/items/0/text"]
    )
    parameter: str | None = Field(default=None, description="Name of the query parameter.", examples=["limit"])


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(description="Identifies the kind of problem.", examples=["urn:mediareview:problem:overloaded"])
    title: str
    status: int
    detail: str = Field(description="What is wrong with this request, and what to do.")
    request_id: str
    errors: list[FieldError] | None = Field(default=None, description="What is wrong with which part of the request.")


class ProblemError(HTTPException):
    """A failure that ends a request with a problem document.

    Args:
        kind: kind of the problem.
        detail: what is wrong with this request, and what to do.
        retry_after_s: when to try again, in seconds; goes into ``Retry-After``.
        errors: what is wrong with which part of the request.
        **extensions: further members of the document.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        retry_after_s: float | None = None,
        errors: Iterable[FieldError] = (),
        **extensions: Any,
    ) -> None:
        retry = {"Retry-After": str(max(1, math.ceil(retry_after_s)))} if retry_after_s is not None else None
        super().__init__(kind.status, detail, retry)
        self.kind = kind
        self.errors = list(errors)
        self.extensions = extensions


def problem_response(error: ProblemError, request_id: str) -> Response:
    """Return the response of a problem."""
    problem = Problem(
        type=f"urn:mediareview:problem:{error.kind.slug}",
        title=error.kind.title,
        status=error.kind.status,
        detail=error.detail,
        request_id=request_id,
        errors=error.errors or None,
    )
    body = _Extended.model_validate({**problem.model_dump(exclude_none=True), **error.extensions})
    return Response(body.model_dump_json(exclude_none=True), error.kind.status, error.headers, media_type=PROBLEM_JSON)


class _Extended(Problem, extra="allow"):
    """A problem with extension members."""


async def handle_http_exception(request: Request, error: Exception) -> Response:
    """Answer with the problem of an HTTPException, our own or the framework's."""
    problem = error if isinstance(error, ProblemError) else _framework_problem(request, error)
    request.state.problem = problem.kind.slug
    return problem_response(problem, request.state.request_id)


async def handle_validation_error(request: Request, error: Exception) -> Response:
    """Answer 422, and say what is wrong with which part of the request."""
    if not isinstance(error, RequestValidationError):
        raise error
    found = [_field_error(item) for item in error.errors()]
    first = found[0]
    where = first.pointer or first.parameter or "the request"
    more = f" {len(found) - 1} more are listed in errors." if len(found) > 1 else ""
    problem = ProblemError(
        INVALID_REQUEST,
        f"{where}: {first.detail}.{more} The schema is at /openapi.json.",
        errors=found[:SHOWN_ERRORS],
    )
    return await handle_http_exception(request, problem)


def _framework_problem(request: Request, error: Exception) -> ProblemError:
    if not isinstance(error, HTTPException):
        raise error
    path, method = request.url.path, request.method
    if error.status_code == METHOD_NOT_ALLOWED.status:
        allowed = [name.upper() for name in request.app.openapi()["paths"].get(path, ("get",))]
        problem = ProblemError(METHOD_NOT_ALLOWED, f"{method} is not possible on {path}; use {' or '.join(allowed)}.")
        problem.headers = {"Allow": ", ".join(allowed)}
        return problem
    if error.status_code == NOT_FOUND.status:
        return ProblemError(NOT_FOUND, "There is nothing at this path. The endpoints are listed in /openapi.json.")
    kind = Kind("bad-request", error.status_code, "The request cannot be understood")
    return ProblemError(kind, f"{error.detail}. The endpoints are described in /openapi.json.")


def _field_error(item: Any) -> FieldError:
    place, *path = item["loc"]
    detail = item["msg"].removeprefix("Value error, ")
    if place == "body":
        pointer = "#" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
        return FieldError(detail=detail, pointer=pointer)
    return FieldError(detail=detail, parameter=".".join(map(str, path)))
