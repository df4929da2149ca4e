"""What this machine needs: Python, disk, and the backends that the settings name. Nothing is written anywhere."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from pipelines.doctor.findings import Check, Finding, Mark

PYTHON = (3, 11)
WANTED_GIB = 5
"""Demo data, features, checkpoints and three models take about half of it."""
TIMEOUT_S = 5.0


def local_checks(settings: Settings) -> Iterator[Check]:
    """Yield a check for each thing that the settings name."""
    looks: dict[str, Callable[[Settings, str], Finding]] = {
        "Python": _python,
        "disk": _disk,
        "lake": _lake,
        "registry": _registry,
        "online store": _online_store,
    }
    if settings.serving_namespace:
        looks["serving"] = _serving
    if settings.pipelines_url:
        looks["pipelines"] = _pipelines
    for name, look in looks.items():
        yield Check(name, lambda look=look, name=name: look(settings, name))  # type: ignore[misc]


def _python(settings: Settings, name: str) -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] != PYTHON:
        raise MediaReviewError(f"{version}, but the dependencies are resolved for 3.11", "Make .venv with Python 3.11.")
    return Finding(name, Mark.OK, version)


def _disk(settings: Settings, name: str) -> Finding:
    free_gib = shutil.disk_usage(_existing(settings.root)).free / 2**30
    found = f"{free_gib:.0f} GiB free at {settings.root}"
    if free_gib < WANTED_GIB:
        return Finding(name, Mark.WARNING, found, f"Make room for {WANTED_GIB} GiB, or set MEDIAREVIEW_HOME.")
    return Finding(name, Mark.OK, found)


def _lake(settings: Settings, name: str) -> Finding:
    if not settings.lake.startswith("s3://"):
        return _directory(name, Path(urlsplit(settings.lake).path))
    from botocore.exceptions import BotoCoreError, ClientError

    from mediareview.s3 import s3_client

    try:
        s3_client(settings).head_bucket(Bucket=urlsplit(settings.lake).netloc)
    except (BotoCoreError, ClientError) as error:
        raise MediaReviewError(
            f"{settings.lake}: {error}",
            "Check MEDIAREVIEW_S3_ENDPOINT_URL and the credentials; mediareview lake secure makes the bucket.",
        ) from None
    return Finding(name, Mark.OK, settings.lake)


def _registry(settings: Settings, name: str) -> Finding:
    url = settings.registry
    if url.startswith("sqlite:///"):
        return _directory(name, Path(url.removeprefix("sqlite:///")).parent)
    if not url.startswith(("http://", "https://")):
        return Finding(name, Mark.WARNING, f"{urlsplit(url).scheme}:// is not looked at", "Start MLflow to see it.")
    return _answers(name, f"{url.rstrip('/')}/health", "Check MEDIAREVIEW_REGISTRY_URL and the MLflow server.")


def _online_store(settings: Settings, name: str) -> Finding:
    if settings.online_store_file is not None:
        return _directory(name, settings.online_store_file.parent)
    from redis import Redis, RedisError

    url = settings.online_store_url.get_secret_value()
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.hostname}:{parts.port or 6379}"  # not the whole URL: it may hold a password
    try:
        client = Redis.from_url(url, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S)
        client.ping()
    except RedisError as error:
        raise MediaReviewError(f"{where}: {error}", "Check MEDIAREVIEW_ONLINE_STORE_URL and its password.") from None
    return Finding(name, Mark.OK, where)


def _serving(settings: Settings, name: str) -> Finding:
    from mediareview.kubernetes import Kubernetes, Resource

    services = Resource("serving.kserve.io/v1beta1", "inferenceservices", settings.serving_namespace)
    names = sorted(item["metadata"]["name"] for item in Kubernetes(timeout_s=TIMEOUT_S).list(services))
    return Finding(name, Mark.OK, f"{settings.serving_url}: {', '.join(names) or 'no InferenceService yet'}")


def _pipelines(settings: Settings, name: str) -> Finding:
    url = f"{settings.pipelines_url.rstrip('/')}/apis/v2beta1/healthz"
    return _answers(name, url, "Check MEDIAREVIEW_PIPELINES_URL, or forward a port of the Service ml-pipeline.")


def _answers(name: str, url: str, hint: str) -> Finding:
    try:
        with urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 the settings' own URL
            return Finding(name, Mark.OK, f"{url} answers {answer.status}")
    except (URLError, OSError) as error:
        raise MediaReviewError(f"{url}: {getattr(error, 'reason', error)}", hint) from None


def _directory(name: str, path: Path) -> Finding:
    import os

    if not os.access(_existing(path), os.W_OK):
        raise MediaReviewError(f"{path} cannot be written", "Change its owner, or set MEDIAREVIEW_HOME.")
    return Finding(name, Mark.OK, str(path) if path.exists() else f"{path}, made when it is first needed")


def _existing(path: Path) -> Path:
    """Return the path or the nearest directory above it that exists."""
    return next(candidate for candidate in (path, *path.parents) if candidate.exists())
