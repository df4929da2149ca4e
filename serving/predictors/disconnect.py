"""Stops working on a request whose caller has gone."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class CancelOnDisconnect:
    """ASGI middleware that cancels a handler when its client disconnects, as one that timed out does.

    Otherwise an overloaded model would go on scoring what nobody waits for, and never catch up.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body_read = asyncio.Event()

        async def receive_body() -> Message:
            message = await receive()
            if not message.get("more_body", False):
                body_read.set()
            return message

        handler = asyncio.create_task(self._run(scope, receive_body, send))
        watcher = asyncio.create_task(_cancel_on_disconnect(handler, body_read, receive))
        try:
            await handler
        except asyncio.CancelledError:
            if not watcher.done():
                raise
        finally:
            watcher.cancel()
            handler.cancel()

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


async def _cancel_on_disconnect(handler: "asyncio.Task[None]", body_read: asyncio.Event, receive: Receive) -> None:
    # Only after the body: until then the messages belong to the handler.
    await body_read.wait()
    while (await receive())["type"] != "http.disconnect":
        pass
    handler.cancel()
