"""Where the API of a home answers: noted by who serves it, since its port may have been chosen by the system."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mediareview.settings import Settings

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 what is listened to, and where that is reached


def reachable(host: str, port: int) -> str:
    """Return the base URL of an address that is listened on, as seen from this machine."""
    host = _ANY.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def noted(settings: Settings, url: str) -> Iterator[None]:
    """Note the API's base URL for the length of the block."""
    path = _path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(url)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def api_url(settings: Settings) -> str:
    """Return the base URL of the API that serves a home, or else the settings' own."""
    try:
        return _path(settings).read_text().strip()
    except FileNotFoundError:
        return reachable(settings.api_host, settings.api_port)


def _path(settings: Settings) -> Path:
    return settings.root / "serving" / "api.url"
