"""The whole of serving on one machine: the stand-in with its predictors, the API in front of them, the rollouts."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.address import noted
from serving.api_process import ApiProcess
from serving.listener import listen, url_of
from serving.standin import StandIn
from serving.supervised import SupervisedProcess

READY_TIMEOUT_S = 120.0
CONTROLLER_LOG = "rollouts.log"


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
    with (
        listen(settings) as listener,
        StandIn(settings) as stand_in,
        noted(settings, url_of(listener)),
        ApiProcess(settings, listener) as api,
        _controller(settings),
    ):
        stand_in.wait_ready(READY_TIMEOUT_S)
        api.wait_ready()
        yield url_of(listener)


def _controller(settings: Settings) -> SupervisedProcess:
    """Return the process that lets rollouts go on by themselves."""
    return SupervisedProcess(
        "serving.rollouts",
        "The controller of the rollouts",
        settings.root / "serving" / "logs" / CONTROLLER_LOG,
        environment={
            "MEDIAREVIEW_HOME": str(settings.root),
            "MEDIAREVIEW_LAKE_URL": settings.lake_url,
            "MEDIAREVIEW_METRICS_URL": settings.metrics_url,
            "MEDIAREVIEW_ROLLOUT_INTERVAL_S": str(settings.rollout_interval_s),
            "MALLOC_ARENA_MAX": "2",
        },
    )


def rollouts_note(settings: Settings) -> str:
    """Return what to tell of the rollouts while everything is served."""
    log = settings.root / "serving" / "logs" / CONTROLLER_LOG
    return f"Rollouts go on by themselves; what was decided is in {log}, and mediareview rollout status shows the rest."


def wait_for_stop() -> None:
    """Return on Ctrl-C or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
