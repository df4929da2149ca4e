"""A Python module as a process of its own: started again if it dies, gone when its parent is."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from serving.standin.logs import last_error, open_log

logger = logging.getLogger(__name__)

RESTART_DELAY_S = 0.5
GRACE_PERIOD_S = 25.0
_POLL_INTERVAL_S = 0.1


class SupervisedProcess:
    """Runs ``python -m MODULE --lifeline_fd=FD`` while used as a context manager.

    Args:
        module: to run. Its process is to end when nobody holds the other end of ``lifeline_fd`` any more.
        what: what it is, for messages: ``The API``.
        log: where its output goes.
        arguments: more arguments.
        environment: on top of this process's own.
        inherited_fds: file descriptors that it uses.
        at_stop: is called once it is not started again any more, and before it is told to end.
    """

    def __init__(
        self,
        module: str,
        what: str,
        log: Path,
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        inherited_fds: Sequence[int] = (),
        at_stop: Callable[[], None] | None = None,
    ) -> None:
        self.log = log
        self.failure = ""
        """Why it ended last; empty if it never did."""
        self._command = [sys.executable, "-m", module, *arguments]
        self._what = what
        self._environment = environment or {}
        self._inherited_fds = inherited_fds
        self._at_stop = at_stop
        self._starting = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name=module)

    def __enter__(self) -> "SupervisedProcess":
        """Start it."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let it finish what is under way, and end it."""
        with self._starting:
            self._stopping.set()
            if self._at_stop is not None:
                self._at_stop()
        self._thread.join()

    def _supervise(self) -> None:
        lifeline_fd, held_end = os.pipe()
        try:
            while not self._stopping.is_set():
                try:
                    self.failure = self._run_once(lifeline_fd)
                except OSError as error:
                    self.failure = f"it cannot be started: {error}"
                if not self._stopping.wait(RESTART_DELAY_S):
                    logger.warning("%s ended and is started again: %s", self._what, self.failure)
        finally:
            os.close(held_end)
            os.close(lifeline_fd)

    def _run_once(self, lifeline_fd: int) -> str:
        """Run the process until it ends, and return why it did."""
        with open_log(self.log) as output:
            offset = output.tell()
            with self._starting:
                if self._stopping.is_set():
                    return ""
                process = self._start(output.fileno(), lifeline_fd)
        self._wait(process)
        if process.returncode < 0:
            return f"it ended by signal {-process.returncode}"
        return last_error(self.log, offset) or f"it ended with code {process.returncode}"

    def _start(self, output_fd: int, lifeline_fd: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [*self._command, f"--lifeline_fd={lifeline_fd}"],
            stdin=subprocess.DEVNULL,
            stdout=output_fd,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self._environment},
            pass_fds=(*self._inherited_fds, lifeline_fd),
            # Ctrl-C is for the parent, which then ends its processes in good order.
            start_new_session=True,
        )

    def _wait(self, process: "subprocess.Popen[bytes]") -> None:
        """Return once the process has ended; when it is to stop, see to it."""
        while process.poll() is None:
            if self._stopping.wait(_POLL_INTERVAL_S):
                process.terminate()
                try:
                    process.wait(GRACE_PERIOD_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
