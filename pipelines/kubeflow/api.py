"""The Kubeflow Pipelines API of one server: who calls, and how something is found or created there."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

import kfp_server_api

from mediareview.errors import MediaReviewError
from mediareview.settings import get_settings
from pipelines.kubeflow.errors import ConflictError, UnansweredError
from pipelines.kubeflow.transport import PAUSES_S, Transport

T = TypeVar("T")

PAGE_SIZE = 100


class Kubeflow:
    """A connection to the API. Use it as a context manager.

    Args:
        endpoint: base URL; the API is below it at ``/apis/v2beta1``, the user interface at ``/#/``.
        namespace: where runs execute, if the server has several users; empty where it has one.
        token: bearer token, if one is wanted.
        token_path: file with the token, read anew for each call.

    Raises:
        MediaReviewError: the endpoint is not a URL.
    """

    def __init__(self, endpoint: str, namespace: str = "", token: str = "", token_path: Path | None = None) -> None:
        self.endpoint = _base_url(endpoint)
        self.namespace = namespace
        self._token_value, self._token_path = token, token_path
        configuration = kfp_server_api.Configuration(host=self.endpoint)
        client = kfp_server_api.ApiClient(configuration)
        client.rest_client = self._transport = Transport(self.endpoint, self._token)
        self.pipelines = kfp_server_api.PipelineServiceApi(client)
        self.uploads = kfp_server_api.PipelineUploadServiceApi(client)
        self.experiments = kfp_server_api.ExperimentServiceApi(client)
        self.runs = kfp_server_api.RunServiceApi(client)
        self.recurring_runs = kfp_server_api.RecurringRunServiceApi(client)
        self._health = kfp_server_api.HealthzServiceApi(client)

    @classmethod
    def from_settings(cls, endpoint: str = "", namespace: str = "") -> Self:
        """Connect as the settings say, where the arguments do not."""
        settings = get_settings()
        return cls(
            endpoint or settings.pipelines_url,
            namespace or settings.pipelines_namespace,
            settings.pipelines_token.get_secret_value(),
            settings.pipelines_token_path,
        )

    def check(self) -> None:
        """Make sure that this is a Kubeflow Pipelines API, and that it will know whose runs are meant.

        Raises:
            MediaReviewError: it is not, or it has several users and no namespace is given.
        """
        if self._health.healthz_service_get_healthz().multi_user and not self.namespace:
            raise MediaReviewError(
                f"{self.endpoint} serves several users.", "Say in which namespace runs execute: --namespace NAMESPACE."
            )

    def scope(self) -> dict[str, str]:
        """Return the namespace as an argument, or nothing: a server with one user refuses any."""
        return {"namespace": self.namespace} if self.namespace else {}

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _token(self) -> str:
        if self._token_path is None:
            source, token = "MEDIAREVIEW_PIPELINES_TOKEN", self._token_value
        else:
            source = str(self._token_path)
            try:
                token = self._token_path.read_text(encoding="ascii", errors="replace")
            except OSError as error:
                raise MediaReviewError(
                    f"Cannot read the token {source}: {error.strerror}.", "Correct MEDIAREVIEW_PIPELINES_TOKEN_PATH."
                ) from None
        token = token.strip()
        if not token.isascii() or len(token.split()) > 1:
            raise MediaReviewError(f"What is in {source} is not a token.", "It is one word, without `Bearer`.")
        return token


def find(pages: Callable[..., Any], items: str, display_name: str, **arguments: Any) -> Any:
    """Return the newest object of that name, or None.

    Args:
        pages: a list method of the API.
        items: attribute of its answer that holds the objects.
        display_name: the name looked for.
        arguments: of the method.
    """
    named = listed(pages, items, filter=name_filter("EQUALS", display_name), sort_by="created_at desc", **arguments)
    return next((item for item in named if item.display_name == display_name), None)


def listed(pages: Callable[..., Any], items: str, **arguments: Any) -> Iterator[Any]:
    """Yield the objects of all pages of a list method."""
    token = ""
    while True:
        page = pages(page_size=PAGE_SIZE, page_token=token, **arguments)
        yield from getattr(page, items) or ()
        token = page.next_page_token or ""
        if not token:
            return


def name_filter(operation: str, text: str) -> str:
    """Return a filter on display names: ``EQUALS`` or ``IS_SUBSTRING``."""
    return json.dumps({"predicates": [{"operation": operation, "key": "display_name", "stringValue": text}]})


def create_once(create: Callable[[], T], find: Callable[[], T | None]) -> T:
    """Create something, and if the answer is lost, look for it before trying again.

    Args:
        create: makes it, under a name that nothing else has.
        find: returns it if it is there.

    Raises:
        MediaReviewError: it cannot be created.
    """
    pauses = list(PAUSES_S)
    while True:
        try:
            return create()
        except (ConflictError, UnansweredError) as error:
            if isinstance(error, UnansweredError):
                time.sleep(pauses[0] if pauses else 0)
            found = find()
            if found is not None:
                return found
            if isinstance(error, ConflictError) or not pauses:
                raise
            pauses.pop(0)


def _base_url(endpoint: str) -> str:
    """Return the endpoint as people mean it, be it copied from the browser."""
    parts = urlsplit(endpoint.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise MediaReviewError(
            f"The endpoint {endpoint!r} is not a URL.", "For example --endpoint https://kubeflow.example.com/pipeline."
        )
    if parts.username or parts.password:
        raise MediaReviewError(
            "The endpoint holds a user or password.", "Use a token: MEDIAREVIEW_PIPELINES_TOKEN_PATH."
        )
    path = parts.path.split("/apis/", 1)[0].rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
