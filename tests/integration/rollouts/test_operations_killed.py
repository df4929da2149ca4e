"""Real processes that end without a word at a write, on real files and a real lake."""

import subprocess
import sys
from pathlib import Path

import pytest

from mediareview.settings import Settings
from serving.objects import ObjectDirectory
from serving.rollouts.audit import AuditLog
from serving.rollouts.operations import Rollouts
from tests.rollout_world import BUILT, NAME, disagreements, status_of

pytestmark = pytest.mark.integration

ACT = """
import os, sys
from mediareview.settings import Settings
from serving.objects import ObjectDirectory
from serving.rollouts.audit import AuditLog
from serving.rollouts.operations import Rollouts
from serving.rollouts.plan import Plan
from tests.rollout_world import CANDIDATE, NAME, Interference, WatchedLog, WatchedStore

home, action, write, when = sys.argv[1:]
settings, interference = Settings(home=home), Interference()
interference.at[int(write)] = (when, lambda: os._exit(9))
log = AuditLog.from_settings(settings)
rollouts = Rollouts(
    WatchedStore(ObjectDirectory(settings.inference_services), interference), WatchedLog(log, interference)
)
if action == "start":
    rollouts.start(NAME, CANDIDATE, Plan(), "ana", "")
else:
    getattr(rollouts, action)(NAME, actor="ana", reason="")
"""


def act(home: Path, action: str, write: int = 0, when: str = "") -> int:
    """Act in a process of its own, which may end at a write; return its exit code."""
    return subprocess.run([sys.executable, "-c", ACT, str(home), action, str(write), when], check=False).returncode


@pytest.mark.parametrize(("write", "when"), [(1, "before"), (1, "after"), (2, "after"), (3, "before")])
@pytest.mark.parametrize("action", ["start", "step", "promote"])
def test_a_killed_process_leaves_nothing_that_the_next_one_does_not_complete(
    tmp_path: Path, action: str, write: int, when: str
) -> None:
    settings = Settings(home=tmp_path)
    objects, log = ObjectDirectory(settings.inference_services), AuditLog.from_settings(settings)
    objects.apply(BUILT)
    rollouts = Rollouts(objects, log)
    if action != "start":
        assert act(tmp_path, "start") == 0
        objects.update_status(NAME, status_of(objects.get(NAME)))
        rollouts.enter(NAME, actor="ana", reason="")
    before = [change.action for change in log.history(NAME)]
    assert act(tmp_path, action, write, when) == 9
    rollouts.complete(NAME)
    happened = [change.action for change in log.history(NAME)]
    assert happened == [*before, *([] if (write, when) == (1, "before") else [action])]
    assert disagreements(objects.get(NAME), log.history(NAME)) == []
