"""Runs the API in a process of its own: ``python -m serving.api``."""

import argparse
import logging
import signal
import socket
import sys

from mediareview.errors import MediaReviewError
from mediareview.settings import get_settings
from serving.api.server import GRACE_PERIOD_S, run
from serving.predictors.lifeline import exit_with_parent


def main() -> None:
    """Serve the API until SIGTERM, Ctrl-C, or the end of the parent process."""
    parser = argparse.ArgumentParser("python -m serving.api", description=__doc__, allow_abbrev=False)
    parser.add_argument("--listener_fd", type=int, help="listening socket to use instead of the settings' address")
    parser.add_argument("--lifeline_fd", type=int, help="pipe whose closing tells that the parent is gone")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if options.lifeline_fd is not None:
        exit_with_parent(options.lifeline_fd, GRACE_PERIOD_S)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn drains, and then raises the signal again: a stop in good order is no failure.
        signal.signal(number, lambda *_: sys.exit(0))
    listener = socket.socket(fileno=options.listener_fd) if options.listener_fd is not None else None
    try:
        run(get_settings(), listener)
    except MediaReviewError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
