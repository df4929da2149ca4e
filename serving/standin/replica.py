"""One predictor process: started, probed, restarted when it dies, drained when it is no longer wanted."""

import http.client
import logging
import os
import random
import socket
import subprocess
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from pathlib import Path
from signal import SIGKILL, SIGTERM

from serving.standin.launch import Launch
from serving.standin.logs import last_error, open_log, rotate

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
PORTS = range(20_000, 30_000)
"""Below the ephemeral ports, so that no outgoing connection takes a port between its choice and its use."""

PROBE_INTERVAL_S = 1.0
PROBE_TIMEOUT_S = 2.0
MOST_MISSED_PROBES = 5
START_TIMEOUT_S = 120.0
MOST_BACK_OFF_S = 30.0
SETTLED_S = 30.0
"""A process that was ready, or lived this long, has proven itself: its restart is not delayed."""


class Replica:
    """Keeps one predictor running. ``tick`` advances it and never blocks.

    Args:
        launch: what to run.
        log: file that takes the process's output.
        environment: of the process, besides what ``launch`` adds.
        lifeline_fd: read end of a pipe whose closing ends the process.
        probes: runs the readiness probes.
    """

    def __init__(
        self, launch: Launch, log: Path, environment: Mapping[str, str], lifeline_fd: int, probes: Executor
    ) -> None:
        self.launch = launch
        self.ready = False
        self.failures = 0
        """Ends of the process, in a row, before it was ready."""
        self.failure = ""
        """Why it ended last."""
        self._log = log
        self._environment = dict(environment)
        self._lifeline_fd = lifeline_fd
        self._probes = probes
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._log_offset = 0
        self._started_at = 0.0
        self._start_at = 0.0
        self._probe: Future[bool] | None = None
        self._probe_at = 0.0
        self._missed = 0
        self._retired = False
        self._signals: list[tuple[float, int]] = []

    @property
    def url(self) -> str:
        """Base URL; answers only while ``ready``."""
        return f"http://{HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """Process id, while a process runs."""
        return self._process.pid if self._process else None

    @property
    def gone(self) -> bool:
        """Whether it was retired and its process has ended."""
        return self._retired and self._process is None

    def tick(self, now: float) -> None:
        """Advance to ``now``, in seconds of the monotonic clock."""
        if self._retired:
            self._end(now)
        elif self._process is None:
            if now >= self._start_at:
                self._start(now)
        elif self._process.poll() is not None:
            self._ended(self._process.returncode, now)
        else:
            self._check(self._process, now)

    def retire(self, terminate_at: float, grace_period_s: float) -> None:
        """Ask the process to drain and end at ``terminate_at``; kill it ``grace_period_s`` later."""
        self._retired = True
        self._signals = [(terminate_at, SIGTERM), (terminate_at + grace_period_s, SIGKILL)]

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self, now: float) -> None:
        if not self._port or self.failures:
            self._port = free_port()
        options = (f"--host={HOST}", f"--http_port={self._port}", f"--lifeline_fd={self._lifeline_fd}")
        self._started_at, self._probe_at, self._missed = now, now, 0
        try:
            with open_log(self._log) as output:
                self._log_offset = output.tell()
                self._process = subprocess.Popen(
                    [*self.launch.command, *options],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **self._environment, **dict(self.launch.environment)},
                    pass_fds=(self._lifeline_fd,),
                    # Ctrl-C is for the stand-in, which then drains its processes in order.
                    start_new_session=True,
                )
        except OSError as error:
            self._failed(now, f"The process does not start: {error}")

    def _ended(self, code: int, now: float) -> None:
        reason = f"signal {-code}" if code < 0 else f"exit code {code}"
        said = last_error(self._log, self._log_offset) if code > 0 else ""
        settled = self.ready or now - self._started_at > SETTLED_S
        self._process, self._probe, self.ready = None, None, False
        self._failed(now, said or f"The process ended with {reason}.", settled=settled)

    def _failed(self, now: float, failure: str, *, settled: bool = False) -> None:
        self.failure = failure
        self.failures = 0 if settled else self.failures + 1
        self._start_at = now if settled else now + min(2.0 ** (self.failures - 1), MOST_BACK_OFF_S)
        logger.warning("%s ended: %s", self._log.stem, failure)

    def _check(self, process: "subprocess.Popen[bytes]", now: float) -> None:
        if self._probe is not None and self._probe.done():
            answered, self._probe = self._probe.result(), None
            self._missed = 0 if answered else self._missed + 1
            if answered and not self.ready:
                self.ready, self.failures, self.failure = True, 0, ""
                logger.info("%s is ready at %s", self._log.stem, self.url)
        stuck = self._missed > MOST_MISSED_PROBES if self.ready else now - self._started_at > START_TIMEOUT_S
        if stuck:
            logger.warning("%s does not answer and is killed", self._log.stem)
            process.kill()
        elif self._probe is None and now >= self._probe_at:
            self._probe = self._probes.submit(_answers, self._port, self.launch.probe_path)
            if self.ready:
                self._probe_at = now + PROBE_INTERVAL_S
                rotate(self._log)

    def _end(self, now: float) -> None:
        if self._process is None:
            return
        if self._process.poll() is not None:
            self._process, self.ready = None, False
        elif self._signals and now >= self._signals[0][0]:
            self._process.send_signal(self._signals.pop(0)[1])


def free_port() -> int:
    """Return a loopback port that nobody listens on.

    Raises:
        RuntimeError: there is none.
    """
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port between {PORTS.start} and {PORTS.stop}")


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
