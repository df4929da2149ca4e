"""A handler is cancelled when its client goes, and only then."""

import asyncio
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from serving.predictors.disconnect import CancelOnDisconnect

REQUEST = [
    {"type": "http.request", "body": b"a", "more_body": True},
    {"type": "http.request", "body": b"b", "more_body": False},
]


class Client:
    def __init__(self) -> None:
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[Message] = []
        for message in REQUEST:
            self.messages.put_nowait(message)

    async def receive(self) -> Message:
        return await self.messages.get()

    async def send(self, message: Message) -> None:
        self.sent.append(message)


def test_a_handler_whose_client_disconnects_is_cancelled_quietly() -> None:
    async def story() -> None:
        client, cancelled, reading = Client(), asyncio.Event(), asyncio.Event()

        async def handler(scope: Scope, receive: Receive, send: Send) -> None:
            while (await receive())["more_body"]:
                pass
            reading.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.set()
                raise

        call = asyncio.create_task(CancelOnDisconnect(handler)({"type": "http"}, client.receive, client.send))
        await reading.wait()
        client.messages.put_nowait({"type": "http.disconnect"})
        await asyncio.wait_for(call, 5)
        assert cancelled.is_set()
        assert client.sent == []

    asyncio.run(story())


def test_the_handler_of_a_patient_client_reads_its_body_and_answers() -> None:
    async def story() -> None:
        client = Client()

        async def handler(scope: Scope, receive: Receive, send: Send) -> None:
            body = b""
            more = True
            while more:
                message = await receive()
                body, more = body + message["body"], message["more_body"]
            await asyncio.sleep(0.01)
            await send({"type": "http.response.body", "body": body})

        await CancelOnDisconnect(handler)({"type": "http"}, client.receive, client.send)
        assert client.sent == [{"type": "http.response.body", "body": b"ab"}]

    asyncio.run(story())


def test_cancelling_from_outside_reaches_the_handler_and_the_caller() -> None:
    async def story() -> None:
        client, ended = Client(), asyncio.Event()

        async def handler(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()

        call = asyncio.create_task(CancelOnDisconnect(handler)({"type": "http"}, client.receive, client.send))
        await asyncio.sleep(0.01)
        call.cancel()
        result = await asyncio.gather(call, return_exceptions=True)
        assert isinstance(result[0], asyncio.CancelledError)
        await asyncio.wait_for(ended.wait(), 5)

    asyncio.run(story())
