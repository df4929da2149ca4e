"""Where the predictors are on a cluster: the InferenceServices of a namespace, listed once and watched from then on.

What was seen last holds while the Kubernetes API is away, however long that is: predictors do not need it to answer.
"""

import asyncio
import contextlib
import json
import logging
import random
from http import HTTPStatus
from typing import Any

import aiohttp

from mediareview.kubernetes import Access, KubernetesError, Object, Resource, answer_failure, connection_failure
from serving.api.directory import Deployment, PredictorDirectory, deployment_of
from serving.objects.names import INFERENCE_SERVICES

logger = logging.getLogger(__name__)

LIST_TIMEOUT_S = 10.0
WATCH_S = 60
"""After this the server ends a watch, and another is begun where it ended: a dead connection is noticed soon after."""
SILENCE_S = WATCH_S + 15.0
CONNECT_TIMEOUT_S = 5.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 30.0
LONGEST_OBJECT = 2**20


class _ExpiredError(Exception):
    """The server has forgotten what came after the last event: all has to be listed again."""


class WatchedPredictors(PredictorDirectory):
    """The predictors of the InferenceServices of a namespace. Use it within one event loop, from ``open`` to ``close``.

    Args:
        namespace: where the InferenceServices are.
        access: how to call the Kubernetes API; by default as this pod or the kubeconfig file says.
        first_list_timeout_s: how long ``open`` waits to know the predictors.

    Raises:
        MediaReviewError: no cluster is known here.
    """

    def __init__(self, namespace: str, access: Access | None = None, *, first_list_timeout_s: float = 10.0) -> None:
        self.problem = "the InferenceServices have not been read yet"
        self._resource = Resource(*INFERENCE_SERVICES, namespace)
        self._access = access or Access.from_environment()
        self._first_list_timeout_s = first_list_timeout_s
        self._deployments: dict[str, Deployment] = {}
        self._version = ""
        """Of the last event; empty if all has to be listed."""
        self._listed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def find(self, model: str) -> Deployment | None:
        """Return the predictors of a model as they were seen last; None if it is not deployed."""
        return self._deployments.get(model)

    async def open(self) -> None:
        """Begin to watch; return once the predictors are known, or after a while without."""
        self._task = asyncio.create_task(self._run())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._listed.wait(), self._first_list_timeout_s)

    async def close(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_S)
        async with aiohttp.ClientSession(timeout=timeout, read_bufsize=LONGEST_OBJECT) as session:
            pause_s = FIRST_PAUSE_S
            while True:
                try:
                    if not self._version:
                        await self._list(session)
                    await self._watch(session)
                    pause_s = FIRST_PAUSE_S
                except _ExpiredError:
                    self._version = ""
                except KubernetesError as error:
                    self._complain(str(error))
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                except (aiohttp.ClientError, OSError, ValueError) as error:
                    self._complain(str(connection_failure(self._access.url, error)))
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                # Replicas of the API must not come back all at once to a server that has trouble.
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))

    async def _list(self, session: aiohttp.ClientSession) -> None:
        async with asyncio.timeout(LIST_TIMEOUT_S), self._get(session, {}) as response:
            await self._check(response, "list")
            found = json.loads(await response.read())
        services = {item["metadata"]["name"]: item for item in found["items"]}
        for name in self._deployments.keys() - services.keys():
            del self._deployments[name]
        for item in services.values():
            self._seen(item)
        self._version = found["metadata"]["resourceVersion"]
        self._in_touch()
        self._listed.set()

    async def _watch(self, session: aiohttp.ClientSession) -> None:
        """Follow the events from the last one on, until the server ends the stream."""
        wanted = {
            "watch": "true",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_S),
        }
        async with self._get(session, wanted) as response:
            await self._check(response, "watch")
            self._in_touch()
            async for line in response.content:
                event = json.loads(line)
                self._follow(event["type"], event["object"])

    def _get(self, session: aiohttp.ClientSession, parameters: dict[str, str]) -> Any:
        url = self._access.url + self._resource.path()
        return session.get(url, params=parameters, headers=self._access.headers(), ssl=self._access.tls or True)

    async def _check(self, response: aiohttp.ClientResponse, verb: str) -> None:
        if response.status == HTTPStatus.GONE:
            raise _ExpiredError
        if response.status != HTTPStatus.OK:
            raise answer_failure(response.status, await response.read(), verb, self._resource)

    def _follow(self, kind: str, item: Object) -> None:
        if kind == "ERROR":
            if item.get("code") == HTTPStatus.GONE:
                raise _ExpiredError
            raise answer_failure(int(item.get("code") or 0), json.dumps(item).encode(), "watch", self._resource)
        if kind == "DELETED":
            self._deployments.pop(item["metadata"]["name"], None)
        elif kind != "BOOKMARK":
            self._seen(item)
        self._version = item["metadata"]["resourceVersion"]

    def _seen(self, service: Object) -> None:
        name = service["metadata"]["name"]
        try:
            self._deployments[name] = deployment_of(service)
        except (KeyError, TypeError, ValueError) as error:
            # What was known of it still holds.
            logger.error("The InferenceService %s is incomplete: %r", name, error)

    def _in_touch(self) -> None:
        if self.problem and self._listed.is_set():
            logger.info("The InferenceServices are watched again")
        self.problem = ""

    def _complain(self, problem: str) -> None:
        if problem != self.problem:
            logger.error("The InferenceServices cannot be watched, so what was seen last holds: %s", problem)
        self.problem = problem
