"""A module as a process of its own: started again when it dies, ended when it is told, gone with its parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from serving import supervised
from serving.supervised import SupervisedProcess

MODULE = """
import os, signal, sys, time
with open(os.environ["PIDS"], "a") as file:
    file.write(f"{os.getpid()}\\n")
if os.environ.get("FAILS"):
    sys.exit("Error: it cannot go on")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
lifeline = next(int(argument.partition("=")[2]) for argument in sys.argv if argument.startswith("--lifeline_fd="))
os.read(lifeline, 1)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    (tmp_path / "supervised_here.py").write_text(MODULE)
    monkeypatch.setattr(supervised, "RESTART_DELAY_S", 0.05)
    return {"PYTHONPATH": str(tmp_path), "PIDS": str(tmp_path / "pids")}


def process(module: dict[str, str], tmp_path: Path, **more: Callable[[], None]) -> SupervisedProcess:
    return SupervisedProcess("supervised_here", "It", tmp_path / "logs" / "it.log", environment=module, **more)  # type: ignore[arg-type]


def started(module: dict[str, str], count: int) -> list[int]:
    """Return the process ids of the processes so far, once there are so many."""
    path = Path(module["PIDS"])
    for _ in range(1000):
        pids = [int(line) for line in path.read_text().splitlines()] if path.exists() else []
        if len(pids) >= count:
            return pids
        time.sleep(0.01)
    raise AssertionError("it was not started")


def test_it_is_started_again_when_it_is_killed(module: dict[str, str], tmp_path: Path) -> None:
    with process(module, tmp_path) as running:
        os.kill(started(module, 1)[0], signal.SIGKILL)
        first, second = started(module, 2)
        assert first != second
        assert running.failure == "it ended by signal 9"
    assert not psutil.pid_exists(second)


def test_what_it_says_of_its_end_is_known(module: dict[str, str], tmp_path: Path) -> None:
    with process({**module, "FAILS": "1"}, tmp_path) as running:
        started(module, 2)
        assert running.failure == "it cannot go on"


def test_at_its_end_it_is_not_started_again(module: dict[str, str], tmp_path: Path) -> None:
    stopped: list[int] = []
    with process(module, tmp_path, at_stop=lambda: stopped.append(1)):
        (pid,) = started(module, 1)
    assert stopped == [1]
    assert started(module, 1) == [pid]
    assert not psutil.pid_exists(pid)


def test_it_does_not_outlive_its_parent(module: dict[str, str], tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from serving.supervised import SupervisedProcess\n"
        "with SupervisedProcess('supervised_here', 'It', Path(sys.argv[1])):\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "it.log")], env={**os.environ, **module})
    (pid,) = started(module, 1)
    parent.kill()
    parent.wait()
    for _ in range(1000):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.01)
    raise AssertionError("it outlived its parent")
