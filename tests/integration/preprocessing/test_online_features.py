"""Online reads as a predictor does them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mediareview.lake import Lake
from mediareview.settings import Settings
from serving.online_features import OnlineFeatures

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def features(settings: Settings, home: Path) -> OnlineFeatures:
    return OnlineFeatures(settings)


def test_the_state_of_a_user_is_the_history_of_the_lake(features: OnlineFeatures, lake: Lake) -> None:
    ratings = sorted(
        (row["rated_at"], row["media_id"], row["rating"])
        for row in lake.read("ratings").to_pylist()
        if row["user_id"] == "u7"
    )
    state = features.user_state("u7")
    assert state is not None
    assert list(zip(state.history, state.ratings, strict=True)) == [(media_id, stars) for _, media_id, stars in ratings]
    assert state.blocked == []


def test_hidden_titles_are_blocked(features: OnlineFeatures) -> None:
    state = features.user_state("u2")
    assert state is not None
    assert state.blocked == ["39"]


def test_the_conduct_of_an_author_is_known(features: OnlineFeatures) -> None:
    authors = features.authors(["u1", "nobody", "u1"])
    assert set(authors) == {"u1"}
    author = authors["u1"]
    assert (author.review_count, author.judged_count, author.flagged_count) == (1, 1, 1)
    assert author.account_age_days > 365


@pytest.mark.parametrize("user_id", ["nobody", "", "ü'; DROP TABLE x; --", "x" * 10_000])
def test_an_unknown_user_is_an_answer_and_no_error(features: OnlineFeatures, user_id: str) -> None:
    assert features.user_state(user_id) is None
    assert features.authors([user_id]) == {}


def test_a_missing_store_is_an_answer_and_creates_nothing(tmp_path: Path) -> None:
    features = OnlineFeatures(Settings(home=tmp_path / "none"))
    assert features.user_state("u1") is None
    assert not (tmp_path / "none").exists()


def test_a_store_that_appears_or_is_replaced_is_found(tmp_path: Path, home: Path) -> None:
    features = OnlineFeatures(Settings(home=tmp_path / "late"))
    assert features.user_state("u7") is None
    shutil.copytree(home / "features", tmp_path / "late" / "features")
    assert features.user_state("u7") is not None
    (tmp_path / "late" / "features" / "online.db").unlink()
    assert features.user_state("u7") is None


def test_a_broken_store_is_an_answer(tmp_path: Path, home: Path) -> None:
    shutil.copytree(home / "features", tmp_path / "features")
    (tmp_path / "features" / "online.db").write_bytes(b"not a database" * 100)
    assert OnlineFeatures(Settings(home=tmp_path)).user_state("u7") is None
    (tmp_path / "features" / "registry.db").write_bytes(b"\xff" * 100)
    assert OnlineFeatures(Settings(home=tmp_path)).user_state("u7") is None


def test_reading_needs_no_torch_and_leaves_torch_alone(settings: Settings, home: Path) -> None:
    code = f"""
import sys
from mediareview.settings import Settings
from serving.online_features import OnlineFeatures
assert OnlineFeatures(Settings(home={str(home)!r})).user_state("u7")
assert not {{"torch", "sklearn", "spacy", "kfp", "mlflow", "components", "feature_repo"}} & set(sys.modules)
import torch
"""
    subprocess.run([sys.executable, "-c", code], check=True)
