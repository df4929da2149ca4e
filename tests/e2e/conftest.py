"""One home with the small sample in it, brought up once."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., str]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def mediareview(home: Path) -> Command:
    """Run the command line in that home and return what it prints; it must exit with ``code``."""

    def run(*arguments: str, code: int = 0, cwd: Path | None = None) -> str:
        environment = {**os.environ, "MEDIAREVIEW_HOME": str(home), "MEDIAREVIEW_API_PORT": "0"}
        command = [sys.executable, "-m", "mediareview", *arguments]
        done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done.stdout if code == 0 else done.stderr

    return run


@pytest.fixture(scope="session")
def checked(mediareview: Command) -> str:
    """What ``up --check`` prints the first time."""
    return mediareview("up", "--check", "--sample", "--profile", "quick")
