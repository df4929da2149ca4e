import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from components.recommender.config import Config
from components.recommender.fit import fit_parts, save_artifact
from components.recommender.load import prepare
from components.recommender.recipe import Bucket, Recipe
from mediareview.artifact import Manifest, ModelCard, save_manifest
from mediareview.contracts.prediction import RecommendationRequest
from mediareview.errors import MediaReviewError
from serving.scorers.recommender import Recommender, UserState

CONFIG = Config(content_dimensions=4, ials_factors=[4])


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    """Two tastes: a0..a9 by director A, b0..b9 by director B; a10 and b10 are new and nobody has rated them."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    random = np.random.default_rng(0)
    rows = [
        (f"{taste}{user}", f"{taste}{title}", 4.0, start + timedelta(minutes=100 * user + title))
        for taste in "ab"
        for user in range(12)
        for title in random.choice(10, 6, replace=False).tolist()
    ]
    ids = [f"{taste}{title}" for taste in "ab" for title in range(11)]
    catalogue = pd.DataFrame(
        {
            "media_id": ids,
            "title": [f"Film {media_id}" for media_id in ids],
            "kind": "film",
            "year": 1990,
            "genres": [["Sci-Fi" if media_id[0] == "a" else "Romance"] for media_id in ids],
            "directors": [[f"Director {media_id[0].upper()}"] for media_id in ids],
            "imdb_id": [f"tt{media_id}" for media_id in ids],
        }
    )
    prepared = prepare(pd.DataFrame(rows, columns=["user_id", "media_id", "rating", "rated_at"]), catalogue, CONFIG)
    recipe = Recipe.initial(CONFIG).model_copy(
        update={
            "blend": [
                Bucket(min_history=0, weights={"popularity": 0.5, "trend": 0.5}),
                Bucket(min_history=1, weights={"item_item": 1, "factors": 1, "content": 0.5}),
            ]
        }
    )
    root = tmp_path_factory.mktemp("recommender")
    parts = fit_parts(prepared, prepared.ratings, recipe, root / "checkpoints", "test")
    save_artifact(parts, prepared, recipe, "hybrid", ModelCard(), root / "hybrid")
    everything = recipe.baseline("ease")
    parts = fit_parts(prepared, prepared.ratings, everything, root / "checkpoints", "test")
    save_artifact(parts, prepared, everything, "ease", ModelCard(), root / "ease")
    return root


@pytest.fixture(scope="module")
def model(artifact):
    return Recommender.load(artifact / "hybrid")


def shown(prediction):
    return [item.media_id for item in prediction.items]


def test_a_history_of_one_taste_gets_titles_of_that_taste(model):
    prediction = model.recommend(RecommendationRequest(history=["a0", "a1"], limit=5))
    assert {media_id[0] for media_id in shown(prediction)} == {"a"}
    assert prediction.fallback is None


def test_consumed_blocked_and_excluded_titles_are_never_shown(model):
    user = UserState(history=["a0", "a1"], ratings=[5.0, 1.0], blocked=["a2"])
    prediction = model.recommend(RecommendationRequest(user_id="x", history=["a3"], exclude=["a4"], limit=100), user)
    assert set(shown(prediction)).isdisjoint({"a0", "a1", "a2", "a3", "a4"})
    assert len(prediction.items) == 22 - 5


def test_an_excluded_title_is_recognised_by_its_imdb_id(model):
    prediction = model.recommend(RecommendationRequest(history=["a0"], exclude=["tta1"], limit=100))
    assert "a1" not in shown(prediction)


def test_unknown_ids_in_the_history_change_nothing(model):
    known = model.recommend(RecommendationRequest(history=["a0"]))
    assert model.recommend(RecommendationRequest(history=["nothing", "a0", ""])) == known


@pytest.mark.parametrize(
    ("request_", "user", "fallback"),
    [
        (RecommendationRequest(user_id="stranger"), None, "unknown_user"),
        (RecommendationRequest(user_id="stranger", history=["nothing"]), None, "unknown_user"),
        (RecommendationRequest(user_id="known"), UserState(), "no_history"),
        (RecommendationRequest(), None, "no_history"),
        (RecommendationRequest(user_id="stranger", history=["a0"]), None, None),
    ],
)
def test_the_fallback_says_why_it_is_one(model, request_, user, fallback):
    prediction = model.recommend(request_, user)
    assert prediction.fallback == fallback
    assert len(prediction.items) == 20


def test_the_history_of_the_request_joins_that_of_the_user(model):
    user = UserState(history=["a0"], ratings=[4.0])
    joined = model.recommend(RecommendationRequest(user_id="x", history=["b0"]), user)
    together = UserState(history=["a0", "b0"], ratings=[4.0, math.nan])
    assert joined == model.recommend(RecommendationRequest(user_id="x"), together)


def test_a_disliked_title_pulls_less_than_a_liked_one(model):
    liked = model.scores([["a0", "b0"]], [[5.0, 1.0]])[0]
    swapped = model.scores([["a0", "b0"]], [[1.0, 5.0]])[0]
    sci_fi = [index for index, media_id in enumerate(model.media_ids) if media_id[0] == "a" and media_id != "a0"]
    assert liked[sci_fi].mean() > swapped[sci_fi].mean()


def test_reasons_name_a_liked_title_and_shared_people_but_never_a_disliked_title(model):
    user = UserState(history=["a0", "a1"], ratings=[5.0, 1.0])
    reasons = model.recommend(RecommendationRequest(user_id="x", limit=3), user).items[0].reasons
    assert reasons[0] == "because you rated Film a0 (1990) highly"
    assert "shares director Director A with Film a0 (1990)" in reasons
    assert not any("Film a1" in reason for reason in reasons)


def test_a_title_that_nobody_rated_is_reached_through_its_metadata(model):
    scores = dict(zip(model.media_ids, model.scores([["a0", "a1", "a2"]])[0].tolist(), strict=True))
    assert scores["a10"] > scores["b10"]


def test_a_baseline_ranks_titles_it_does_not_know_last(artifact):
    baseline = Recommender.load(artifact / "ease")
    order = shown(baseline.recommend(RecommendationRequest(history=["a0", "a1"], limit=100)))
    assert set(order[-2:]) == {"a10", "b10"}


def test_batch_scores_rank_as_recommendations_do(model):
    history = ["a0", "b3", "a5"]
    scores = model.scores([history, []])
    order = [model.media_ids[index] for index in np.argsort(-scores[0], kind="stable")]
    assert order[:5] == shown(model.recommend(RecommendationRequest(history=history, limit=5)))
    assert np.isneginf(scores[0, model.known(history)]).all()
    assert np.isfinite(scores[1]).all()


def test_artifacts_of_the_same_data_are_equal(artifact):
    again = Recommender.load(artifact / "hybrid")
    np.testing.assert_array_equal(again.scores([["a0"]]), Recommender.load(artifact / "hybrid").scores([["a0"]]))


def test_another_model_is_refused(tmp_path):
    save_manifest(tmp_path, Manifest(name="sentiment", variety="encoder"))
    with pytest.raises(MediaReviewError, match="sentiment"):
        Recommender.load(tmp_path)
