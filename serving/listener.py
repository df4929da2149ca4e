"""The socket on which the API listens."""

import errno
import socket

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.address import reachable

BACKLOG = 2048


def listen(settings: Settings) -> socket.socket:
    """Return a listening socket at ``api_host`` and ``api_port``; port 0 takes any free port.

    Raises:
        MediaReviewError: the address is in use, forbidden, or not of this machine.
    """
    host, port = settings.api_host, settings.api_port
    try:
        (family, *_, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise MediaReviewError(f"The API cannot listen on {host}: {error}.", _HOST_HINT) from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise MediaReviewError(f"{host} is no address of this machine.", _HOST_HINT) from None
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        raise MediaReviewError(
            f"Port {port} on {host} {reason}.", "Choose another: MEDIAREVIEW_API_PORT=8081, or 0 for any free port."
        ) from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the base URL of a listening socket, as seen from this machine."""
    host, port = listener.getsockname()[:2]
    return reachable(host, port)


_HOST_HINT = "Set MEDIAREVIEW_API_HOST to an address of this machine, such as 127.0.0.1."
