"""What can go wrong in a call of the Kubeflow Pipelines API, said so that it can be mended."""

import json
import socket
import ssl
from collections.abc import Iterator

import httpx

from mediareview.errors import MediaReviewError

MESSAGE_CHARACTERS = 500


class UnansweredError(MediaReviewError):
    """The server did not answer, or answered that it cannot now. Whether it did what was asked is not known."""

    retry_after_s: float = 0.0
    """How long the server asks to wait."""


class NotFoundError(MediaReviewError):
    """The API knows no such object."""


class ConflictError(MediaReviewError):
    """There is such an object already."""


def not_reached(endpoint: str, error: httpx.TransportError) -> MediaReviewError:
    """Return what a failed connection means."""
    causes = list(_causes(error))
    if isinstance(error, httpx.TimeoutException):
        return UnansweredError(f"{endpoint} did not answer in time.", "Is the server up, and reachable from here?")
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return MediaReviewError(
            f"The certificate of {endpoint} is not trusted: {_last_line(error)}.",
            "If an authority of your own signed it, set SSL_CERT_FILE to a file with that authority's certificate.",
        )
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return MediaReviewError(
            f"{endpoint} does not speak TLS as it should: {_last_line(error)}.",
            "Is the address http:// and not https://?",
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return UnansweredError(
            f"There is no host {httpx.URL(endpoint).host!r}.",
            "Is the endpoint spelled right? Names in a cluster work only there.",
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return UnansweredError(
            f"Nothing listens at {endpoint}.",
            "From outside the cluster: kubectl -n kubeflow port-forward service/ml-pipeline-ui 8081:80, "
            "then --endpoint http://127.0.0.1:8081.",
        )
    return UnansweredError(f"The connection to {endpoint} broke: {_last_line(error)}.", "Try again.")


def refused(endpoint: str, response: httpx.Response, with_token: bool) -> MediaReviewError:
    """Return what an answer means that is not a 2xx."""
    status, message = response.status_code, _message(response)
    said = f": {message}" if message else ""
    if 300 <= status < 400:
        return login_page(endpoint, f"sends the caller on to {_without_query(response.headers.get('location', '?'))}")
    if status == 401:
        hint = (
            "The token was not accepted: has it expired, and was it made for the audience pipelines.kubeflow.org?"
            if with_token
            else "Set MEDIAREVIEW_PIPELINES_TOKEN, or MEDIAREVIEW_PIPELINES_TOKEN_PATH to the file of a token."
        )
        return MediaReviewError(f"{endpoint} wants to know who is calling (401){said}.", hint)
    if status == 403:
        return MediaReviewError(
            f"{endpoint} does not allow this (403){said}.",
            "Ask for the role ml-engineer in the namespace of the pipelines (manifests/base/pipelines/roles.yaml).",
        )
    if status == 404 and not message:
        return MediaReviewError(
            f"There is no Kubeflow Pipelines API at {endpoint} (404).",
            "Is that the API's address? ENDPOINT/apis/v2beta1/healthz answers there; below Kubeflow's dashboard the "
            "endpoint ends with /pipeline.",
        )
    if status == 404:
        return NotFoundError(message, "")
    if status == 409:
        return ConflictError(message or "There is one already.", "")
    if status == 429 or status >= 500:
        error = UnansweredError(
            f"{endpoint} cannot answer now ({status}){said}.",
            "Try again; if it stays so, see the log of deployment/ml-pipeline.",
        )
        error.retry_after_s = _seconds(response.headers.get("retry-after", ""))
        return error
    return MediaReviewError(f"{endpoint} refuses the call ({status}){said}.", "")


def login_page(endpoint: str, what: str = "answers with a page, not with JSON") -> MediaReviewError:
    """Return what an answer means that is not the API's."""
    return MediaReviewError(
        f"{endpoint} {what}.",
        "That is a login page, or not the API's address. Behind a login use an address inside of it, or a token: "
        "MEDIAREVIEW_PIPELINES_TOKEN or MEDIAREVIEW_PIPELINES_TOKEN_PATH.",
    )


def _message(response: httpx.Response) -> str:
    """Return what the API says about an error, or nothing if it is not the API that speaks."""
    try:
        body = json.loads(response.text)
        text = str(body.get("message") or body.get("error_message") or body.get("error") or "")
    except (ValueError, AttributeError):
        return ""
    return " ".join(text.split())[:MESSAGE_CHARACTERS].rstrip(".")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _last_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[-1] if lines else type(error).__name__).rstrip(".")


def _seconds(text: str) -> float:
    try:
        return max(float(text), 0.0)
    except ValueError:  # a date, or nothing
        return 0.0


def _without_query(url: str) -> str:
    return url.split("?", 1)[0]
