"""Every command of the tutorial for platform engineers runs, in its order, against a serving home."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial-platform-engineers.md"
STARTED_BY_THE_TEST = ("source ", "mediareview up", "MEDIAREVIEW_EXPLORATION_SHARE=")
URL = "http://127.0.0.1:8080"


def blocks() -> list[str]:
    """Return the shell blocks of the tutorial, without the lines that this test does itself."""
    found = [block.split("```")[0] for block in TUTORIAL.read_text().split("```sh\n")[1:]]
    kept = [
        "\n".join(line for line in block.splitlines() if not line.startswith(STARTED_BY_THE_TEST)) for block in found
    ]
    return [block for block in kept if block.strip()]


@pytest.fixture(scope="module")
def environment(checked: str, home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Commands find a copy of the home, for they promote another version, and this environment's executables."""
    copied = tmp_path_factory.mktemp("copied") / "home"
    shutil.copytree(home, copied, ignore=shutil.ignore_patterns("runs", "downloads"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {
        **os.environ,
        "MEDIAREVIEW_HOME": str(copied),
        "MEDIAREVIEW_API_PORT": str(port),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


@pytest.fixture(scope="module")
def url(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve as the tutorial says."""
    (line,) = [line for line in TUTORIAL.read_text().splitlines() if line.startswith("MEDIAREVIEW_EXPLORATION_SHARE=")]
    name, share = line.split()[0].split("=")
    log = tmp_path_factory.mktemp("logs") / "serve.log"
    url = f"http://127.0.0.1:{environment['MEDIAREVIEW_API_PORT']}"
    command = [sys.executable, "-m", "mediareview", "serve"]
    with log.open("w") as output, subprocess.Popen(command, env={**environment, name: share}, stderr=output) as serving:
        try:
            deadline = time.monotonic() + 120
            while not answers(url):
                assert serving.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
            yield url
        finally:
            serving.terminate()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.mark.skipif(shutil.which("curl") is None, reason="the tutorial calls the API with curl")
def test_the_tutorial_runs(environment: dict[str, str], url: str, tmp_path: Path) -> None:
    printed = []
    for block in blocks():
        script = f"set -eu\n{block.replace(URL, url)}"
        done = subprocess.run(
            ["bash", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        printed.append(done.stdout)
    whole = "\n".join(printed)
    for part in (r"version \d+ is running at 10 %", "Checks", "promote", "rolled back", r'"variant":"v\d+"', r"DR +│"):
        assert re.search(part, whole), f"{part} is nowhere in\n{whole}"
    assert "<svg" in (tmp_path / "rollout.html").read_text()


def test_the_tutorial_shows_every_command() -> None:
    shown = set(re.findall(r"mediareview rollout (\w+)", TUTORIAL.read_text()))
    from components.rollouts.commands import rollout

    assert set(rollout.commands) - {"run"} <= shown
