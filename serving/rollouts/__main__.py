"""Lets rollouts go on by themselves: ``python -m serving.rollouts``."""

import argparse
import logging
import sys

from mediareview.errors import MediaReviewError
from mediareview.settings import get_settings
from serving.predictors.lifeline import exit_with_parent
from serving.rollouts.running import run

GRACE_PERIOD_S = 20.0


def main() -> None:
    """Run the controller until SIGTERM, Ctrl-C, or the end of the parent process."""
    parser = argparse.ArgumentParser("python -m serving.rollouts", description=__doc__, allow_abbrev=False)
    parser.add_argument("--metrics_host", default="127.0.0.1", help="address of /metrics and /healthz")
    parser.add_argument("--metrics_port", type=int, help="port of /metrics and /healthz; none by default")
    parser.add_argument("--lifeline_fd", type=int, help="pipe whose closing tells that the parent is gone")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if options.lifeline_fd is not None:
        exit_with_parent(options.lifeline_fd, GRACE_PERIOD_S)
    try:
        run(get_settings(), metrics_host=options.metrics_host, metrics_port=options.metrics_port)
    except MediaReviewError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
