"""The API as a process of its own, behind a socket that stays open while it is started again."""

import http.client
import socket
import time
from types import TracebackType
from urllib.parse import urlsplit

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.listener import url_of
from serving.supervised import SupervisedProcess

START_TIMEOUT_S = 60.0
PROBE_INTERVAL_S = 0.1
PROBE_TIMEOUT_S = 2.0

_PASSED_ON = (
    "recommendations_timeout_s",
    "sentiment_timeout_s",
    "moderation_timeout_s",
    "predictor_concurrency",
    "exploration_share",
)


class ApiProcess:
    """Runs ``python -m serving.api`` on a listening socket, while used as a context manager.

    The socket stays open here while the process is started again: callers wait for a moment, and are not refused.

    Args:
        settings: of the API.
        listener: where it listens.
    """

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._address = urlsplit(url_of(listener))
        self._process = SupervisedProcess(
            "serving.api",
            "The API",
            settings.root / "serving" / "logs" / "api.log",
            arguments=(f"--listener_fd={listener.fileno()}",),
            environment={
                "MEDIAREVIEW_HOME": str(settings.root),
                "MEDIAREVIEW_SIGNING_KEY": settings.signing_key.get_secret_value(),
                **{f"MEDIAREVIEW_{name.upper()}": str(getattr(settings, name)) for name in _PASSED_ON},
            },
            inherited_fds=(listener.fileno(),),
            # From then on new callers are refused instead of kept waiting.
            at_stop=listener.close,
        )

    def __enter__(self) -> "ApiProcess":
        """Start it."""
        self._process.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let it answer what is under way, and end it."""
        self._process.__exit__(kind, error, trace)

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until the API answers.

        Raises:
            MediaReviewError: it ends instead, or time is up.
        """
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            failure = self._process.failure
            if failure or time.monotonic() > deadline:
                raise MediaReviewError(
                    f"The API does not start: {failure or 'it does not answer'}", f"Its log is {self._process.log}."
                )
            time.sleep(PROBE_INTERVAL_S)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(
            self._address.hostname or "", self._address.port, timeout=PROBE_TIMEOUT_S
        )
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
