from pathlib import Path

import pytest

from components.preprocessing import FeatureSummary, prepare_features
from mediareview.errors import MediaReviewError
from mediareview.features import FEATURE_TABLES
from mediareview.lake import Lake
from mediareview.settings import Settings

pytestmark = pytest.mark.integration


def silent(message: str) -> None:
    """Progress is not looked at here."""


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
