"""The audit log takes each change once, whoever brings it and however often, and says when it cannot be had."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mediareview.contracts import RolloutChange
from mediareview.errors import MediaReviewError
from mediareview.lake import Lake
from mediareview.settings import Settings
from serving.rollouts.audit import AuditLog

FIRST = datetime(2026, 11, 1, tzinfo=UTC)


def change(number: int, **fields: Any) -> RolloutChange:
    values = {
        "change_id": f"change-{number}", "rollout": "r", "sequence": number, "model": "sentiment", "version": "2",
        "stable_version": "1", "action": "step", "phase": "running", "traffic_percent": 10, "actor": "ana",
        "reason": "", "occurred_at": FIRST + timedelta(minutes=number), **fields,
    }  # fmt: skip
    return RolloutChange.model_validate(values)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path.as_uri())


def test_before_the_first_change_there_is_no_history(lake: Lake) -> None:
    assert AuditLog(lake).history() == []


def test_changes_come_back_as_they_were_in_the_order_in_which_they_happened(lake: Lake) -> None:
    log = AuditLog(lake)
    log.append([change(2, reason="second"), change(3, evidence='{"a":1}')])
    log.append([change(1)])
    assert log.history() == [change(1), change(2, reason="second"), change(3, evidence='{"a":1}')]
    assert log.history("sentiment") == log.history()
    assert log.history("moderation") == []


def test_a_change_that_is_brought_again_is_there_once(lake: Lake) -> None:
    log = AuditLog(lake)
    log.append([change(1), change(1)])
    log.append([change(1), change(2)])
    log.append([])
    version = lake.version(RolloutChange.table)
    log.append([change(2)])
    assert [item.sequence for item in log.history()] == [1, 2]
    assert lake.read(RolloutChange.table).num_rows == 2
    assert lake.version(RolloutChange.table) >= version


def test_what_is_logged_is_never_rewritten(lake: Lake) -> None:
    log = AuditLog(lake)
    log.append([change(1, reason="the truth")])
    log.append([change(1, reason="something else")])
    assert [item.reason for item in log.history()] == ["the truth"]


def test_a_change_dated_by_a_clock_that_was_set_back_since_can_be_read(lake: Lake) -> None:
    later = datetime.now(UTC) + timedelta(hours=3)
    AuditLog(lake).append([change(1, occurred_at=later)])
    assert AuditLog(lake).history()[0].occurred_at == later


WRITER = """
import sys
from tests.unit.rollouts.test_audit import AuditLog, Lake, change

log = AuditLog(Lake(sys.argv[1]))
for number in range(1, 9):
    log.append([change(number)])
"""


def test_writers_that_meet_log_each_change_once(lake: Lake) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, lake.url]) for _ in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert [item.sequence for item in AuditLog(lake).history()] == list(range(1, 9))


def test_a_lake_that_cannot_be_opened_is_told_when_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    log = AuditLog.from_settings(Settings(home=tmp_path, lake_url=(tmp_path / "file" / "lake").as_uri()))
    for ask in (log.history, lambda: log.append([change(1)])):
        with pytest.raises(MediaReviewError, match="cannot be opened") as told:
            ask()
        assert "MEDIAREVIEW_LAKE_URL" in told.value.hint


def test_a_table_that_is_damaged_is_told(tmp_path: Path) -> None:
    log = AuditLog(Lake(tmp_path.as_uri()))
    log.append([change(1)])
    (commit,) = (tmp_path / RolloutChange.table / "_delta_log").glob("*.json")
    commit.write_text("{")
    for ask in (log.history, lambda: log.append([change(2)])):
        with pytest.raises(MediaReviewError, match="cannot be had"):
            ask()


def test_asking_for_the_log_opens_nothing(tmp_path: Path) -> None:
    code = "import sys; import serving.rollouts.audit; print('pyarrow' in sys.modules, 'deltalake' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]
    AuditLog.from_settings(Settings(home=tmp_path))
    assert not (tmp_path / "lake").exists()
