import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from components.rollouts.commands import rollout as command
from mediareview.errors import MediaReviewError
from mediareview.settings import get_settings
from serving.objects import ObjectDirectory
from tests.rollout_views import changes, rollout, serve


@pytest.fixture
def objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectDirectory]:
    monkeypatch.setenv("MEDIAREVIEW_HOME", str(tmp_path))
    monkeypatch.setenv("MEDIAREVIEW_API_PORT", "1")  # where no API answers
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    yield ObjectDirectory(get_settings().inference_services)
    get_settings.cache_clear()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


@pytest.fixture
def running(objects: ObjectDirectory) -> ObjectDirectory:
    serve(objects, rollout().model_copy(update={"pending": tuple(changes("running"))}))
    return objects


def test_status_shows_the_rollout_and_says_what_it_cannot_see(running: ObjectDirectory) -> None:
    printed = run("status", "sentiment").output
    for part in ("version 2 against 1", "30 %", "not seen", "Last changes"):
        assert part in printed


def test_status_as_json_is_one_document_or_all(running: ObjectDirectory) -> None:
    one = json.loads(run("status", "sentiment", "--json").stdout)
    assert one["rollout"]["not_logged_yet"] == 4
    assert one["unseen"]
    assert [item["model"] for item in json.loads(run("status", "--json").stdout)] == ["sentiment"]


def test_looking_changes_nothing(running: ObjectDirectory) -> None:
    before = running.get("sentiment")
    for arguments in (("status",), ("analyze", "sentiment"), ("report", "sentiment")):
        assert run(*arguments).exit_code == 0
    assert running.get("sentiment") == before


def test_analyze_says_what_would_be_done(running: ObjectDirectory) -> None:
    assert "version 2" in run("analyze", "sentiment").output
    assert json.loads(run("analyze", "sentiment", "--json").stdout)["verdict"]["action"]


def test_a_report_goes_where_it_is_told(running: ObjectDirectory, tmp_path: Path) -> None:
    assert run("report", "sentiment", "--output", str(tmp_path / "seen.html")).exit_code == 0
    assert "<svg" in (tmp_path / "seen.html").read_text()
    assert run("report", "sentiment").exit_code == 0
    assert (tmp_path / "rollout-sentiment.html").is_file()


@pytest.mark.parametrize("name", ["analyze", "report"])
def test_without_a_rollout_it_is_said_how_to_start_one(objects: ObjectDirectory, name: str) -> None:
    serve(objects, None)
    assert "rollout start sentiment" in run("status", "sentiment").output
    refused = run(name, "sentiment").exception
    assert isinstance(refused, MediaReviewError)
    assert "rollout start sentiment" in str(refused)


def test_a_model_that_is_not_served_is_an_error(objects: ObjectDirectory) -> None:
    assert "There is no InferenceService 'sentiment'" in str(run("status", "sentiment").exception)


def test_nothing_served_at_all_is_said(objects: ObjectDirectory) -> None:
    done = run("status")
    assert "Nothing is served" in done.output
    assert json.loads(run("status", "--json").stdout) == []
