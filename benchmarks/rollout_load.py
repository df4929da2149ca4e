"""Users of the sentiment endpoint: real HTTP requests, and people's labels that come back as feedback."""

import asyncio
import random
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import aiohttp

from benchmarks.rollout_world import Sentence

TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered."""

    at_s: float
    """By ``time.monotonic()``."""
    user: str
    variant: str
    version: str
    took_s: float


@dataclass(frozen=True, slots=True)
class Lost:
    """A request that got no answer, or one with an error."""

    at_s: float
    user: str
    reason: str
    connection: bool
    """Whether the connection broke: who answers on it was killed."""


class Load:
    """Sends requests from a thread of its own while used as a context manager.

    Each request is of a user drawn at random, about a sentence drawn at random; the user's label of it follows.

    Args:
        url: base URL of the API.
        sentences: what is asked about.
        users: how many there are.
        callers: requests at a time.
        pause_s: of a caller between two requests, so that the machine has time for the rest.
        label_share: share of the answers that a label follows, 0 to 1.
        seed: of what is drawn.
    """

    def __init__(
        self,
        url: str,
        sentences: Sequence[Sentence],
        *,
        users: int = 2000,
        callers: int = 4,
        pause_s: float = 0.01,
        label_share: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.answered: list[Answered] = []
        self.lost: list[Lost] = []
        self.labels_lost = 0
        """Labels that were not acknowledged, after one repetition."""
        self._url = url
        self._sentences = sentences
        self._users = users
        self._callers = callers
        self._pause_s = pause_s
        self._label_share = label_share
        self._seed = seed
        self._enough = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")

    def __enter__(self) -> "Load":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is under way, and end."""
        self._enough.set()
        self._thread.join()

    def variants(self, since_s: float, until_s: float) -> dict[str, list[str]]:
        """Return, by user, the variants that answered requests of that time, in order, repetitions left out."""
        seen: dict[str, list[str]] = defaultdict(list)
        for answer in self.answered:
            if since_s <= answer.at_s < until_s and seen[answer.user][-1:] != [answer.variant]:
                seen[answer.user].append(answer.variant)
        return dict(seen)

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(self._url, timeout=timeout) as session:
            await asyncio.gather(*(self._call(session, number) for number in range(self._callers)))

    async def _call(self, session: aiohttp.ClientSession, number: int) -> None:
        draw = random.Random(f"{self._seed}-{number}")
        while not self._enough.is_set():
            user, sentence = f"user-{draw.randrange(self._users)}", draw.choice(self._sentences)
            request_id = await self._ask(session, user, sentence)
            if request_id and draw.random() < self._label_share:
                await self._tell(session, user, request_id, sentence.label)
            await asyncio.sleep(self._pause_s)

    async def _ask(self, session: aiohttp.ClientSession, user: str, sentence: Sentence) -> str:
        """Return the request's id; empty if it was lost."""
        body = {"user_id": user, "items": [{"id": "1", "text": sentence.text}]}
        started = time.monotonic()
        try:
            async with session.post("/api/ml/sentiment", json=body) as response:
                answer = await response.json(content_type=None)
            if response.status == 200:
                model = answer["model"]
                took_s = time.monotonic() - started
                self.answered.append(Answered(started, user, model["variant"], model["version"], took_s))
                return str(answer["request_id"])
            self.lost.append(Lost(started, user, f"{response.status} {answer.get('detail')}", connection=False))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            # Before the answer's head or after it: who was answering is gone.
            broken = isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError)
            self.lost.append(Lost(started, user, repr(error), connection=broken))
            await asyncio.sleep(0.1)
        return ""

    async def _tell(self, session: aiohttp.ClientSession, user: str, request_id: str, label: str) -> None:
        event = {
            "event_id": f"label-{request_id}",
            "request_id": request_id,
            "type": "label",
            "user_id": user,
            "item_ids": ["1"],
            "label": label,
        }
        for _ in range(2):
            try:
                async with session.post("/api/ml/feedback", json=event) as response:
                    if response.status == 202:
                        return
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(1.0)
        self.labels_lost += 1
