"""Ends a predictor whose parent died without a chance to say so."""

import ctypes
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1


def exit_with_parent(lifeline_fd: int, grace_period_s: float) -> None:
    """End this process when its parent does: drain first, then exit in any case.

    Two ways, because neither suffices: the pipe is portable but needs a live interpreter; Linux's parent-death signal
    reaches a process that is stuck in native code, but nothing else has it.

    Args:
        lifeline_fd: read end of a pipe that only the parent can write to, and never does.
        grace_period_s: time for running requests after the parent's end.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # A parent that blocks signals, to wait for them, hands the mask down; SIGTERM would never arrive.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    threading.Thread(target=_wait_for_end, args=(lifeline_fd, grace_period_s), name="lifeline", daemon=True).start()


def _wait_for_end(lifeline_fd: int, grace_period_s: float) -> None:
    while os.read(lifeline_fd, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_period_s)
    os._exit(1)
