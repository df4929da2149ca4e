"""What a candidate would have shown in the stead of logged answers."""

from collections.abc import Callable, Iterable, Iterator

from mediareview.contracts.prediction import RecommendationRequest
from serving.off_policy.logs import LoggedAnswer
from serving.scorers.recommender import Recommender, UserState


def wanted(
    candidate: Recommender, answers: Iterable[LoggedAnswer], user_state: Callable[[str], UserState | None]
) -> Iterator[list[str]]:
    """Yield the candidate's titles, best first, for each answer; as many as were shown.

    It ranks with what is known of the user today, less the titles of the answer: none of them had been consumed then,
    for nobody is shown what they consumed, and a click since must not hide the very title that was clicked. What was
    consumed since without being shown there stays hidden, and the history that came with the request is not known.

    Args:
        candidate: the scorer of its artifact.
        answers: what was shown.
        user_state: returns what the feature store knows of a user; asked once for each.
    """
    known: dict[str, UserState | None] = {}
    for answer in answers:
        if answer.user_id not in known:
            known[answer.user_id] = user_state(answer.user_id)
        request = RecommendationRequest(user_id=answer.user_id, limit=len(answer.shown))
        prediction = candidate.recommend(request, _before(answer, known[answer.user_id]))
        yield [item.media_id for item in prediction.items]


def _before(answer: LoggedAnswer, state: UserState | None) -> UserState | None:
    if state is None:
        return None
    shown = set(answer.shown)
    kept = [(title, stars) for title, stars in zip(state.history, state.ratings, strict=True) if title not in shown]
    return UserState(
        history=[title for title, _ in kept],
        ratings=[stars for _, stars in kept],
        blocked=[title for title in state.blocked if title not in shown],
    )
