"""Runs the API with uvicorn, on an address of its own or on a socket that somebody else opened."""

import logging
import socket

from mediareview.settings import Settings

logger = logging.getLogger(__name__)

GRACE_PERIOD_S = 20
KEEPALIVE_S = 75
"""Longer than the 60 s for which backends' pools commonly keep idle connections, so that these close them first."""


def run(settings: Settings, listener: socket.socket | None = None) -> None:
    """Serve the API until SIGTERM or Ctrl-C, then answer what is under way, store what waits, and return.

    Args:
        settings: address, timeouts, and where everything is.
        listener: a listening socket; by default one is opened at the settings' address.

    Raises:
        MediaReviewError: the address cannot be had.
    """
    import uvicorn

    from serving.api.app import create_app
    from serving.listener import listen

    config = uvicorn.Config(
        create_app(settings),
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEPALIVE_S,
        timeout_graceful_shutdown=GRACE_PERIOD_S,
    )
    opened = listener or listen(settings)
    with opened:
        logger.info("The API is at http://%s:%d", *opened.getsockname()[:2])
        uvicorn.Server(config).run(sockets=[opened])
