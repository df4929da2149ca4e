"""The recommender's pipeline reads features that are made of what it pins, as of the moments it tests."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.recommender import load
from components.recommender.config import Config
from components.recommender.prepared import Prepared
from components.training.steps import pin
from mediareview.contracts import to_arrow
from mediareview.contracts.events import Rating
from mediareview.errors import MediaReviewError
from mediareview.lake import Lake
from mediareview.settings import Settings, get_settings

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDIAREVIEW_HOME", str(tmp_path_factory.mktemp("pipeline")))
        get_settings.cache_clear()
        yield get_settings()
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def lake(settings: Settings, fill_lake: Callable[[Lake], None]) -> Lake:
    lake = Lake.from_settings(settings)
    fill_lake(lake)
    return lake


@pytest.fixture(scope="module")
def pins(lake: Lake) -> dict[str, int]:
    return pin("recommender", "quick", {}).lake_versions


@pytest.fixture(scope="module")
def prepared(lake: Lake, pins: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    data, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("prepared")
    load.load(lake, pins, Config.profile("quick"), data)
    load.preprocess(data, Config.profile("quick"), out)
    return Prepared.read(out)


def test_pinning_a_run_brings_the_features_up_to_date_first(lake: Lake, pins: dict[str, int]) -> None:
    assert pin("recommender", "quick", {}).lake_versions == pins
    assert {"ratings", "catalogue", "user_profiles"} <= pins.keys()
    assert lake.read("user_profiles", pins["user_profiles"]).num_rows > 0


def test_a_served_history_is_what_a_user_had_rated_on_earlier_days(prepared: Prepared) -> None:
    assert prepared.served is not None
    tested = prepared.part("temporal", "test")
    assert prepared.served["user"].tolist() == tested["user"].unique().tolist()
    ids = prepared.catalogue["media_id"]
    for row in prepared.served.itertuples():
        came_back = tested.loc[tested["user"] == row.user, "time"].min()
        own = prepared.ratings[prepared.ratings["user"] == row.user]
        days = own.groupby(own["time"] // 86_400)["time"].max()
        until = days[days < came_back].max()
        expected = own[own["time"] <= until] if until > 0 else own.iloc[:0]
        assert sorted(row.history_media_ids) == sorted(ids[expected["item"]])
        assert sorted(row.history_ratings) == sorted(expected["rating"])


def test_features_that_were_prepared_again_meanwhile_are_refused(
    lake: Lake, pins: dict[str, int], prepared: Prepared, tmp_path: Path
) -> None:
    load.load(lake, pins, Config.profile("quick"), tmp_path)
    late = Rating(user_id="u1", media_id="39", rating=4.0, rated_at=datetime(2023, 1, 1, tzinfo=UTC))
    lake.append("ratings", to_arrow(Rating, [late]))
    newer = pin("recommender", "quick", {}).lake_versions
    assert newer["user_profiles"] > pins["user_profiles"]
    with pytest.raises(MediaReviewError, match="Run the pipeline again"):
        load.preprocess(tmp_path, Config.profile("quick"), tmp_path)
