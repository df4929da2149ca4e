"""The whole of serving on one machine: the stand-in with its predictors, and the API in front of them."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.api_process import ApiProcess
from serving.listener import listen, url_of
from serving.standin import StandIn

READY_TIMEOUT_S = 120.0


@contextmanager
def running(settings: Settings) -> Iterator[str]:
    """Serve everything that is deployed; at the end answer what is under way, and stop it all.

    Args:
        settings: address of the API, and where everything is.

    Yields:
        Base URL of the API; all models answer.

    Raises:
        MediaReviewError: nothing is deployed, a model does not start, the address is in use, or the models are being
            served already, here or on a cluster.
    """
    if settings.serving_namespace:
        raise MediaReviewError(
            f"The models are served by a cluster, {settings.serving_url}, and not by this machine.",
            "Unset MEDIAREVIEW_SERVING_URL to serve what is deployed here; the API alone is python -m serving.api.",
        )
    # The address comes first: it is what most often cannot be had, and the rest takes seconds.
    with listen(settings) as listener, StandIn(settings) as stand_in, ApiProcess(settings, listener) as api:
        stand_in.wait_ready(READY_TIMEOUT_S)
        api.wait_ready()
        yield url_of(listener)


def wait_for_stop() -> None:
    """Return on Ctrl-C or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
