"""The API as a process of its own: small, started again if it dies, gone when its parent is."""

import http.client
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from types import TracebackType
from urllib.parse import urlsplit

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.listener import url_of
from serving.standin.logs import last_error, open_log

logger = logging.getLogger(__name__)

RESTART_DELAY_S = 0.5
START_TIMEOUT_S = 60.0
GRACE_PERIOD_S = 25.0
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
        self._listener = listener
        self._address = urlsplit(url_of(listener))
        self._log = settings.root / "serving" / "logs" / "api.log"
        self._environment = {
            "MEDIAREVIEW_HOME": str(settings.root),
            "MEDIAREVIEW_SIGNING_KEY": settings.signing_key.get_secret_value(),
            **{f"MEDIAREVIEW_{name.upper()}": str(getattr(settings, name)) for name in _PASSED_ON},
        }
        self._starting = threading.Lock()
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._failure = ""
        self._thread = threading.Thread(target=self._supervise, name="api")

    def __enter__(self) -> "ApiProcess":
        """Start it."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let it answer what is under way, and end it."""
        with self._starting:
            self._stopping.set()
            # From here on new callers are refused instead of kept waiting.
            self._listener.close()
        self._thread.join()

    @property
    def pid(self) -> int | None:
        """Process id, while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until the API answers.

        Raises:
            MediaReviewError: it ends instead, or time is up.
        """
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            if self._failure or time.monotonic() > deadline:
                raise MediaReviewError(
                    f"The API does not start: {self._failure or 'it does not answer'}", f"Its log is {self._log}."
                )
            time.sleep(PROBE_INTERVAL_S)

    def _supervise(self) -> None:
        lifeline_fd, held_end = os.pipe()
        try:
            while not self._stopping.is_set():
                try:
                    self._failure = self._run_once(lifeline_fd)
                except OSError as error:
                    self._failure = f"it cannot be started: {error}"
                if not self._stopping.wait(RESTART_DELAY_S):
                    logger.warning("The API ended and is started again: %s", self._failure)
        finally:
            os.close(held_end)
            os.close(lifeline_fd)

    def _run_once(self, lifeline_fd: int) -> str:
        """Run the process until it ends, and return why it did."""
        with open_log(self._log) as output:
            offset = output.tell()
            with self._starting:
                if self._stopping.is_set():
                    return ""
                self._process = process = self._start(output.fileno(), lifeline_fd)
        self._wait(process)
        if process.returncode < 0:
            return f"it ended by signal {-process.returncode}"
        return last_error(self._log, offset) or f"it ended with code {process.returncode}"

    def _start(self, output_fd: int, lifeline_fd: int) -> "subprocess.Popen[bytes]":
        listener_fd = self._listener.fileno()
        options = (f"--listener_fd={listener_fd}", f"--lifeline_fd={lifeline_fd}")
        return subprocess.Popen(
            [sys.executable, "-m", "serving.api", *options],
            stdin=subprocess.DEVNULL,
            stdout=output_fd,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self._environment},
            pass_fds=(listener_fd, lifeline_fd),
            # Ctrl-C is for the parent, which then ends the API before its predictors.
            start_new_session=True,
        )

    def _wait(self, process: "subprocess.Popen[bytes]") -> None:
        """Return once the process has ended; when it is to stop, see to it."""
        while process.poll() is None:
            if self._stopping.wait(PROBE_INTERVAL_S):
                process.terminate()
                try:
                    process.wait(GRACE_PERIOD_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

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
