"""The HTTP of the Kubeflow Pipelines API, in the place of the one that comes with ``kfp_server_api``.

That one knows no timeout in fractions of a second, follows redirects to login pages and takes their HTML for an answer,
and repeats calls by rules of its own. Its generated methods and models are used as they are.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from mediareview import __version__
from mediareview.errors import MediaReviewError
from pipelines.kubeflow.errors import UnansweredError, login_page, not_reached, refused

TIMEOUT_S = 30.0
"""How long one call may take."""

PAUSES_S = (0.5, 1.0, 2.0, 4.0)
"""Waits before a call that can be repeated is repeated."""

LONGEST_PAUSE_S = 30.0
"""Longest wait that a server may ask for with Retry-After."""


@dataclass
class Answer:
    """A 2xx answer, as ``kfp_server_api.ApiClient`` reads it."""

    status: int
    reason: str
    data: Any
    headers: httpx.Headers

    def getheader(self, name: str, default: str | None = None) -> str | None:
        """Return a header."""
        value: str | None = self.headers.get(name, default)
        return value

    def getheaders(self) -> httpx.Headers:
        """Return all headers."""
        return self.headers


class Transport:
    """Makes the calls of a ``kfp_server_api.ApiClient``: in bounded time, with a fresh token, again where that is safe.

    Args:
        endpoint: base URL, for messages.
        token: returns the bearer token, or nothing; asked before each call.
    """

    def __init__(self, endpoint: str, token: Callable[[], str]) -> None:
        self._endpoint, self._token = endpoint, token
        try:
            self._http = httpx.Client(
                timeout=TIMEOUT_S, follow_redirects=False, headers={"User-Agent": f"mediareview/{__version__}"}
            )
        except OSError as error:  # ssl.SSLError is one
            raise MediaReviewError(
                f"The certificates to trust cannot be read: {error}.", "Does SSL_CERT_FILE name a file of certificates?"
            ) from None

    def GET(self, url: str, **call: Any) -> Answer:  # noqa: N802
        """Make a GET call."""
        return self._call("GET", url, **call)

    def POST(self, url: str, **call: Any) -> Answer:  # noqa: N802
        """Make a POST call."""
        return self._call("POST", url, **call)

    def DELETE(self, url: str, **call: Any) -> Answer:  # noqa: N802
        """Make a DELETE call."""
        return self._call("DELETE", url, **call)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _call(self, method: str, url: str, **call: Any) -> Answer:
        # A POST creates something, and a second one creates it twice, unless it is ``/runs/ID:terminate`` or the like.
        pauses = list(PAUSES_S) if method != "POST" or ":" in url.rsplit("/", 1)[-1] else []
        while True:
            try:
                return self._once(method, url, **call)
            except UnansweredError as error:
                if not pauses:
                    raise
                time.sleep(max(pauses.pop(0), min(error.retry_after_s, LONGEST_PAUSE_S)))

    def _once(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        query_params: Any = None,
        post_params: Any = None,
        body: Any = None,
        **_: Any,
    ) -> Answer:
        token = self._token()
        headers = {key: value for key, value in headers.items() if key != "Content-Type" or not post_params}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            response = self._http.request(
                method,
                url,
                headers=headers,
                params=query_params or None,
                files=dict(post_params) if post_params else None,
                content=json.dumps(body) if body is not None else None,
            )
        except httpx.TransportError as error:
            raise not_reached(self._endpoint, error) from None
        except httpx.InvalidURL as error:
            raise MediaReviewError(f"{self._endpoint} is not a URL: {error}.", "") from None
        if not response.is_success:
            raise refused(self._endpoint, response, with_token=bool(token))
        try:
            json.loads(response.content)
        except ValueError:
            raise login_page(self._endpoint) from None
        return Answer(response.status_code, response.reason_phrase, response.content, response.headers)
