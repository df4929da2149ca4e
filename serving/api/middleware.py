"""What surrounds every request: its id, its metrics, and the last resort when something unforeseen is raised."""

import logging
import re
import time
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.api.metrics import NOBODY, ApiMetrics
from serving.api.problems import INTERNAL, ProblemError, problem_response

logger = logging.getLogger(__name__)

REQUEST_ID_HEADER = "X-Request-ID"
_HEADER = REQUEST_ID_HEADER.lower().encode()
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class RequestMiddleware:
    """Names each request, measures it, and answers 500 when its handler fails.

    ``X-Request-ID`` is kept if it has 1 to 128 characters of ``A-Za-z0-9._:-``; otherwise the request gets an id here.
    Handlers find it in ``request.state.request_id``, and leave in ``request.state.served`` which model answered.

    Args:
        app: what handles requests.
        metrics: is told of each request.
    """

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state.update(request_id=request_id, served=NOBODY, problem="")
        endpoint = self._metrics.endpoint(scope["path"])
        status = 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((_HEADER, request_id.encode()))
            await send(message)

        self._metrics.started(endpoint)
        started = time.perf_counter()
        try:
            await self._app(scope, receive, send_named)
        except Exception:
            # Whatever it is, the caller gets a problem document, and the cause stays here.
            logger.exception("Request %s to %s failed", request_id, endpoint)
            if status:
                raise
            state["problem"] = INTERNAL.slug
            problem = ProblemError(INTERNAL, "This is our fault, and it is logged. Try again; report the request_id.")
            await problem_response(problem, request_id)(scope, receive, send_named)
        finally:
            took_s = time.perf_counter() - started
            self._metrics.ended(endpoint, scope["method"], state["served"], status, state["problem"], took_s)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == _HEADER and _REQUEST_ID.fullmatch(value):
            return str(value.decode("ascii"))
    return uuid.uuid4().hex
