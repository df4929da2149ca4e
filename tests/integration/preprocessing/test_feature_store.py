import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

import feature_repo
from feature_repo.store import training_set
from mediareview.errors import MediaReviewError
from mediareview.lake import Lake
from mediareview.settings import Settings

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def rated(lake: Lake, home: Path) -> pd.DataFrame:
    frame = lake.read("ratings", columns=["user_id", "media_id", "rated_at"]).to_pandas()
    return frame.rename(columns={"rated_at": "event_timestamp"})


def test_a_training_set_keeps_every_row_its_order_and_its_index(rated: pd.DataFrame, settings: Settings) -> None:
    # Shuffled, with duplicates, and with rows before any feature: Feast's file store would lose some.
    asked = pd.concat([rated.sample(frac=1, random_state=1), rated.head(20), rated.head(5).assign(user_id="nobody")])
    asked["mark"] = range(len(asked))
    found = training_set(asked, "recommender", settings)
    pd.testing.assert_frame_equal(found[["user_id", "media_id", "mark"]], asked[["user_id", "media_id", "mark"]])
    assert (found.index == asked.index).all()
    assert found["user_activity__rating_count"].isna().any()


def test_features_of_an_event_come_from_strictly_before_it(rated: pd.DataFrame, settings: Settings) -> None:
    found = training_set(rated, "recommender", settings)
    for row in found.itertuples():
        before = rated[(rated.user_id == row.user_id) & (rated.event_timestamp < row.event_timestamp)]
        month = before[before.event_timestamp >= row.event_timestamp - timedelta(days=30)]
        counted = 0 if pd.isna(row.user_activity__rating_count) else row.user_activity__rating_count
        assert counted == len(before)
        assert len(month) == (row.user_activity__ratings_30d if counted else 0)
        seen = rated[(rated.media_id == row.media_id) & (rated.event_timestamp < row.event_timestamp)]
        assert len(seen) == (0 if pd.isna(row.media_popularity__rating_count) else row.media_popularity__rating_count)


def test_a_training_set_without_keys_is_refused(rated: pd.DataFrame, settings: Settings) -> None:
    with pytest.raises(MediaReviewError, match="event_timestamp"):
        training_set(rated[["user_id"]], "moderation", settings)


def test_the_plain_feast_command_works_in_the_folder(home: Path) -> None:
    # The folder beside a .mediareview, as in a checkout, but without touching the checkout's own state.
    folder = home.parent / "feature_repo"
    shutil.copytree(Path(feature_repo.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MEDIAREVIEW_")}

    def feast(*arguments: str) -> str:
        command = [str(Path(sys.executable).with_name("feast")), *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    feast("apply")
    listed = feast("feature-services", "list")
    assert all(name in listed for name in ("recommender", "sentiment", "moderation"))
    feast("materialize-incremental", "2021-06-01T00:00:00")
