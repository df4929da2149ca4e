"""Containers as a cluster runs them: another user, a read-only root, no capabilities, no way to gain any."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mediareview import __version__
from tests.integration.conftest import recommender_artifact, text_artifact

__all__ = ["recommender_artifact", "text_artifact"]

os.environ.setdefault("CONTAINERS_CONF", str(Path(__file__).resolve().parents[2] / "containers/engine.conf"))

USER = 10001
RESTRICTED = (
    *("--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp"),
    *("--cap-drop=all", "--security-opt=no-new-privileges"),
)
"""As in the manifests: nothing but ``/tmp`` and the volumes can be written."""


def podman(*arguments: str, check: bool = True) -> str:
    """Run podman and return what it prints."""
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"podman {' '.join(arguments[:6])} ...: {done.stderr[-3000:]}"
    return done.stdout


def image(role: str) -> str:
    return f"mediareview/{role}:{__version__}"


def run(role: str, *command: str, options: tuple[str, ...] = (), entrypoint: str | None = None) -> str:
    """Run a command in a container of a role and return what it prints."""
    override = ("--entrypoint", entrypoint) if entrypoint is not None else ()
    return podman("run", "--rm", *RESTRICTED, *options, *override, image(role), *command)


def logs(container: str) -> str:
    """Return what a container has written to its standard output and error."""
    command = ["podman", "logs", container]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout


@contextmanager
def serving(role: str, *command: str, options: tuple[str, ...] = (), entrypoint: str | None = None) -> Iterator[str]:
    """Run a server in the background and yield the container's id; it is gone afterwards."""
    override = ("--entrypoint", entrypoint) if entrypoint is not None else ()
    container = podman("run", "--detach", *RESTRICTED, *options, *override, image(role), *command).strip()
    try:
        yield container
    finally:
        podman("rm", "--force", "--time=0", container, check=False)


def answer(url: str, body: Any = None, timeout_s: float = 90, **headers: str) -> tuple[int, Any]:
    """Return status and content of an answer; wait until somebody listens."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"content-type": "application/json", **headers})
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                status, content = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        except OSError:
            assert time.monotonic() < deadline, f"nobody answers at {url}"
            time.sleep(0.2)
            continue
        try:
            return status, json.loads(content)
        except ValueError:
            return status, content.decode()


def exit_code_after_sigterm(container: str) -> int:
    """Ask a container to stop, as Kubernetes does, and return its exit code."""
    podman("kill", "--signal=TERM", container)
    return int(podman("wait", container))


@pytest.fixture
def port() -> int:
    """A port that is free. Containers use the machine's network here."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found: int = free.getsockname()[1]
        return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A volume for MEDIAREVIEW_HOME that belongs to the containers' user."""
    directory = tmp_path / "home"
    directory.mkdir()
    os.chown(directory, USER, USER)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def readable(tmp_path: Path) -> Callable[[Path], Path]:
    """Return a function that copies a directory to where every user may read it."""

    def copied(source: Path) -> Path:
        target = tmp_path / "readable"
        shutil.copytree(source, target)
        for path in [target, *target.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        for parent in target.parents:
            if parent.stat().st_uid == os.getuid() and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o055)
        return target

    return copied
