"""What a trained recommender must do, whatever its metrics say."""

import pytest

from mediareview.contracts.prediction import RecommendationRequest
from serving.scorers.recommender import Recommender, UserState

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def model(trained):
    return Recommender.load(trained.models / "candidate")


def shown(prediction):
    return [item.media_id for item in prediction.items]


def share_of_sci_fi(prediction):
    return sum(media_id.startswith("Sci-Fi") for media_id in shown(prediction)) / len(prediction.items)


def test_liking_sci_fi_moves_sci_fi_up(model):
    before = model.recommend(RecommendationRequest(limit=20))
    after = model.recommend(RecommendationRequest(history=["Sci-Fi-1", "Sci-Fi-4", "Sci-Fi-9"], limit=20))
    assert share_of_sci_fi(after) > 0.8 > share_of_sci_fi(before)


def test_a_new_click_changes_the_next_answer_towards_it(model):
    user = UserState(history=["Sci-Fi-1", "Sci-Fi-2"], ratings=[5.0, 4.0])
    before = model.recommend(RecommendationRequest(user_id="u", limit=20), user)
    after = model.recommend(RecommendationRequest(user_id="u", history=["Romance-3", "Romance-5"], limit=20), user)
    assert shown(after) != shown(before)
    assert share_of_sci_fi(after) < share_of_sci_fi(before)


def test_everything_consumed_stays_away_however_much_was_consumed(model):
    history = [f"Sci-Fi-{number}" for number in range(50)]
    prediction = model.recommend(RecommendationRequest(history=history, limit=100))
    assert set(shown(prediction)).isdisjoint(history)


def test_unknown_ids_are_ignored(model):
    clean = model.recommend(RecommendationRequest(history=["Sci-Fi-1"]))
    assert model.recommend(RecommendationRequest(history=["tt-unheard-of", "Sci-Fi-1"])) == clean


def test_an_anonymous_copy_of_a_user_gets_a_similar_list(model):
    history = ["Sci-Fi-1", "Sci-Fi-7", "Sci-Fi-12", "Romance-2", "Sci-Fi-20"]
    user = UserState(history=history, ratings=[5.0, 4.0, 5.0, 2.0, 4.0])
    named = shown(model.recommend(RecommendationRequest(user_id="u", limit=20), user))
    anonymous = shown(model.recommend(RecommendationRequest(history=history, limit=20)))
    assert len(set(named) & set(anonymous)) >= 12


def test_new_titles_that_nobody_rated_can_be_recommended(model):
    history = [f"Sci-Fi-{number}" for number in range(56)]
    prediction = model.recommend(RecommendationRequest(history=history, limit=12))
    assert any(int(media_id.rpartition("-")[2]) >= 60 for media_id in shown(prediction))


def test_personal_answers_say_why(model):
    prediction = model.recommend(RecommendationRequest(history=["Sci-Fi-1", "Sci-Fi-4"], limit=10))
    assert sum(bool(item.reasons) for item in prediction.items) >= 8
    assert any("because you watched Sci-Fi story" in reason for item in prediction.items for reason in item.reasons)
