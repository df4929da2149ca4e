import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from components.feature_commands import features
from components.preprocessing import FeatureSummary, feature_status, prepare_features
from components.preprocessing.record import preparing_alone
from mediareview.errors import MediaReviewError
from mediareview.features import FEATURE_TABLES
from mediareview.lake import Lake
from mediareview.settings import Settings

pytestmark = pytest.mark.integration


def silent(message: str) -> None:
    """Progress is not looked at here."""


def wait_until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.01)


def test_catalogue_and_features_are_written_and_counted(lake: Lake, summary: FeatureSummary) -> None:
    assert summary.rows["catalogue"] == 50
    assert (summary.links.linked, summary.links.ambiguous) == (10, 0)
    for name in FEATURE_TABLES:
        assert lake.read(name, summary.versions[name]).num_rows == summary.rows[name] > 0
    catalogue = {row["media_id"]: row for row in lake.read("catalogue").to_pylist()}
    assert catalogue["35"]["directors"] == ["Director 0"]
    # Every plot has a city, so that word tells titles apart no more; robots come from a review, and one more plot.
    assert catalogue["35"]["keywords"] == ["nurse"]
    assert "robot" in catalogue["31"]["keywords"]
    assert "tt45" in catalogue
    assert "tt35" not in catalogue


def test_a_second_run_does_nothing(lake: Lake, settings: Settings, summary: FeatureSummary) -> None:
    again = prepare_features(lake, settings, progress=silent)
    assert again.reused
    assert again.versions == summary.versions == lake.pin(summary.versions)


def test_lost_files_are_written_again(lake: Lake, settings: Settings, home: Path) -> None:
    lost = home / "features" / "offline" / "media_features.parquet"
    lost.unlink()
    assert not prepare_features(lake, settings, progress=silent).reused
    assert lost.is_file()


def test_pinned_versions_are_read_and_not_the_newest(lake: Lake, tmp_path: Path, summary: FeatureSummary) -> None:
    settings = Settings(home=tmp_path)
    own = Lake.from_settings(settings)
    media, ratings = lake.read("media"), lake.read("ratings")
    own.append("media", media)
    own.append("ratings", ratings.slice(0, 100))
    pins = own.pin(["media", "ratings"])
    own.append("ratings", ratings.slice(100))
    pinned = prepare_features(own, settings, pins, progress=silent)
    assert pinned.pins == pins
    users = own.read("user_features").to_pandas()
    assert users.groupby("user_id")["rating_count"].max().sum() == 100
    newest = prepare_features(own, settings, progress=silent)
    assert not newest.reused
    assert own.read("user_features").num_rows > len(users)


def test_a_lake_without_titles_is_refused_with_a_hint(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(MediaReviewError, match="no titles"):
        prepare_features(Lake.from_settings(settings), settings, progress=silent)


def test_of_two_at_a_time_the_second_waits_and_finds_nothing_to_do(
    lake: Lake, settings: Settings, summary: FeatureSummary
) -> None:
    told: list[str] = []
    answers: list[bool] = []
    second = threading.Thread(
        target=lambda: answers.append(prepare_features(lake, settings, progress=told.append).reused)
    )
    with preparing_alone(settings, silent):
        second.start()
        wait_until(lambda: bool(told))
        assert "waiting" in told[0]
        assert not answers
    second.join(60)
    assert answers == [True]


def test_the_status_says_what_is_new_in_the_lake(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    own = Lake.from_settings(Settings(home=tmp_path))
    for table in ("media", "ratings"):
        own.append(table, lake.read(table))
    other = Settings(home=tmp_path)
    assert feature_status(own, other).outdated == "no features were prepared yet"
    prepare_features(own, other, progress=silent)
    assert feature_status(own, other).outdated == ""
    own.append("ratings", own.read("ratings").slice(0, 1))
    assert feature_status(own, other).outdated == "there are other ratings"
    prepare_features(own, other, progress=silent)
    other.feature_registry_file.unlink()
    assert feature_status(own, other).outdated.endswith("registry.db is missing")


def test_the_command_prepares_and_tells(
    lake: Lake, settings: Settings, summary: FeatureSummary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mediareview.settings.get_settings", lambda: settings)
    done = CliRunner().invoke(features, ["prepare", "--json"])
    assert (done.exit_code, json.loads(done.stdout)["reused"]) == (0, True)
    assert CliRunner().invoke(features, ["status"], standalone_mode=False).return_value == 0
    monkeypatch.setattr("mediareview.settings.get_settings", lambda: settings.model_copy(update={"home": tmp_path}))
    monkeypatch.setattr("mediareview.lake.Lake.from_settings", lambda settings: lake)
    told = CliRunner().invoke(features, ["status", "--json"], standalone_mode=False)
    assert told.return_value == 1
    assert json.loads(told.stdout)["outdated"] == "no features were prepared yet"
