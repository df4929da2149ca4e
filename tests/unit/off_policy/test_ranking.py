from typing import Any, cast

from mediareview.contracts.prediction import RecommendationPrediction, RecommendationRequest, RecommendedItem
from serving.off_policy import LoggedAnswer
from serving.off_policy.ranking import wanted
from serving.scorers.recommender import Recommender, UserState


class Alphabetical:
    """Recommends what is not consumed, in the order of the alphabet."""

    def recommend(self, request: RecommendationRequest, user: UserState | None) -> RecommendationPrediction:
        hidden = {*user.history, *user.blocked} if user else set()
        titles = [title for title in "abcdef" if title not in hidden][: request.limit]
        return RecommendationPrediction(items=[RecommendedItem(media_id=t, title=t, score=0) for t in titles])


def answer(user: str, *shown: str) -> LoggedAnswer:
    return LoggedAnswer(user, user, shown, (0.5,) * len(shown), frozenset())


def rank(answers: list[LoggedAnswer], states: dict[str, UserState]) -> list[list[str]]:
    asked: list[str] = []

    def state(user: str) -> UserState | None:
        asked.append(user)
        return states.get(user)

    ranked = list(wanted(cast(Recommender, cast(Any, Alphabetical())), answers, state))
    assert len(asked) == len(set(asked))
    return ranked


def test_as_many_titles_are_ranked_as_were_shown() -> None:
    assert rank([answer("u", "x", "y"), answer("u", "x")], {}) == [["a", "b"], ["a"]]


def test_what_the_user_consumed_or_hid_is_not_wanted() -> None:
    state = UserState(history=["a"], ratings=[4.0], blocked=["c"])
    assert rank([answer("u", "x", "y")], {"u": state}) == [["b", "d"]]


def test_a_title_that_was_shown_then_is_not_hidden_by_what_happened_since() -> None:
    state = UserState(history=["b", "a"], ratings=[4.0, 5.0], blocked=["c"])
    assert rank([answer("u", "b", "c", "x")], {"u": state}) == [["b", "c", "d"]]
