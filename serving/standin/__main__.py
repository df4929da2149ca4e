"""Runs the stand-in alone, without the public API: ``python -m serving.standin``."""

import logging
import signal
import sys

from mediareview.errors import MediaReviewError
from mediareview.settings import get_settings
from serving.standin import StandIn


def main() -> None:
    """Run the stand-in until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stand_in = StandIn(get_settings())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stand_in.stop())
    try:
        stand_in.run()
    except MediaReviewError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
