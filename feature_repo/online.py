"""The online store as a server: whether it still holds what it was filled with. Needs no Feast."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mediareview.errors import MediaReviewError
from mediareview.features import PROJECT
from mediareview.settings import Settings

if TYPE_CHECKING:
    from redis import Redis

TIMEOUT_S = 30.0
"""Longest wait for an answer of the server."""

_FILLED = f"{PROJECT}:filled"
"""Key of the digest of what the store was filled with."""


def mark_filled(settings: Settings, digest: str) -> None:
    """Note in the online store, if it is a server, which features it was filled with.

    Raises:
        MediaReviewError: it cannot be written.
    """
    if settings.online_store_file is None:
        with telling_which_server(settings), _client(settings) as client:
            client.set(_FILLED, digest)


def is_filled(settings: Settings, digest: str) -> bool:
    """Whether the online store still has what it was filled with: a server may have lost it, a file be deleted.

    Raises:
        MediaReviewError: it is a server that cannot be read.
    """
    if settings.online_store_file is not None:
        return settings.online_store_file.is_file()
    with telling_which_server(settings), _client(settings) as client:
        return bool(client.get(_FILLED) == digest.encode())


def describe(settings: Settings) -> str:
    """Return where the online store is, without who may read it."""
    if settings.online_store_file is not None:
        return str(settings.online_store_file)
    parts = urlsplit(settings.online_store_url.get_secret_value())
    return f"{parts.scheme}://{parts.hostname}:{parts.port or 6379}{parts.path}"


@contextmanager
def telling_which_server(settings: Settings) -> Iterator[None]:
    """Turn failures of the server into an error that names it."""
    if settings.online_store_file is not None:
        yield
        return
    from redis import RedisError

    try:
        yield
    except RedisError as error:
        raise MediaReviewError(
            f"The online store at {describe(settings)} cannot be used: {error}",
            "Check MEDIAREVIEW_ONLINE_STORE_URL, and that a NetworkPolicy lets this process reach it.",
        ) from error


def _client(settings: Settings) -> "Redis":
    from redis import Redis

    url = settings.online_store_url.get_secret_value()
    return Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
