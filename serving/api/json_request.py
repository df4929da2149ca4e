"""Reads request bodies: JSON and nothing else, within size and time, before anything is buffered beyond the limit."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute

from serving.api.limits import BODY_TIMEOUT_S, MAX_BODY_BYTES
from serving.api.problems import (
    BODY_TIMEOUT,
    BODY_TOO_LARGE,
    INVALID_JSON,
    UNSUPPORTED_MEDIA_TYPE,
    ProblemError,
)

MOST_DISCARDED_BYTES = 32 * 2**20
"""How much of a body that is too large is read and thrown away, so that its sender gets to see the answer."""


class JsonRequest(Request):
    """A request whose body is JSON by RFC 8259: no NaN, no lone surrogates, UTF-8."""

    async def body(self) -> bytes:
        """Return the body.

        Raises:
            ProblemError: it is not declared as JSON, too large, too slow, or empty.
        """
        if not hasattr(self, "_body"):
            media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
            if media_type != "application/json":
                raise ProblemError(
                    UNSUPPORTED_MEDIA_TYPE,
                    f"Send JSON with the header content-type: application/json, not {media_type or 'none'}.",
                )
            if self.headers.get("content-encoding", "identity").lower() != "identity":
                raise ProblemError(UNSUPPORTED_MEDIA_TYPE, "Send the body uncompressed, without content-encoding.")
            try:
                async with asyncio.timeout(BODY_TIMEOUT_S):
                    self._body = await self._read()
            except TimeoutError:
                raise ProblemError(
                    BODY_TIMEOUT, f"Send the whole body within {BODY_TIMEOUT_S:.0f} seconds.", retry_after_s=1
                ) from None
            if not self._body:  # FastAPI would take it for an absent body, and complain of a field
                raise ProblemError(INVALID_JSON, "The body is no valid JSON: it is empty. Send an object in UTF-8.")
        return self._body

    async def json(self) -> Any:
        """Return what the body says.

        Raises:
            ProblemError: it is no JSON.
        """
        body = await self.body()
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            where = f"{error.msg}, at line {error.lineno} column {error.colno}"
            raise ProblemError(INVALID_JSON, f"The body is no valid JSON: {where}. Send an object in UTF-8.") from None

    async def _read(self) -> bytes:
        declared = int(self.headers.get("content-length", 0))
        chunks: list[bytes] = []
        size = 0
        if declared <= MOST_DISCARDED_BYTES:
            async for chunk in self.stream():
                size += len(chunk)
                if max(size, declared) <= MAX_BODY_BYTES:
                    chunks.append(chunk)
                elif size > MOST_DISCARDED_BYTES:
                    break
                else:
                    chunks.clear()
        if max(size, declared) > MAX_BODY_BYTES:
            raise ProblemError(
                BODY_TOO_LARGE,
                f"A body may have {MAX_BODY_BYTES} bytes, this one has {max(size, declared)} or more. "
                "Send fewer or shorter items in a call.",
            )
        return b"".join(chunks)


class JsonRoute(APIRoute):
    """A route whose requests are ``JsonRequest``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(JsonRequest(request.scope, request.receive))

        return handle
