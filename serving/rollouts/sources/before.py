"""What users did before a rollout began: the covariates that take noise out of its outcomes.

Only what is recorded of everybody at any time can serve: impressions, clicks and ratings of recommendations. What is
said of texts is recorded within experiments only. Visitors have no past.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from hashlib import blake2b

from mediareview.contracts import Feedback
from mediareview.contracts.record import Record
from serving.rollouts.rollout import Rollout

PERIOD = timedelta(days=14)
MOST_BYTES = 256 * 2**20
"""How much of the journals is read for it, newest first."""

TYPES = ("impression", "click", "rating")


def has_past(rollout: Rollout) -> bool:
    """Whether there are metrics of which a user's past is known."""
    return rollout.model == "recommender"


def before(rollout: Rollout, events: Iterable[Record]) -> Mapping[str, Mapping[str, float]]:
    """Return metrics of users before a rollout, by metric and user.

    Args:
        rollout: what happened since its start is left out.
        events: feedback, in any order; one may come twice.
    """
    shown: dict[bytes, str] = {}
    clicked: set[bytes] = set()
    stars: dict[str, dict[str, float]] = defaultdict(dict)
    earliest = rollout.started_at - PERIOD
    for event in events:
        if not isinstance(event, Feedback) or not earliest <= event.occurred_at < rollout.started_at:
            continue
        if event.type == "impression" and event.user_id:
            shown[_digest(event.request_id)] = event.user_id
        elif event.type == "click":
            clicked.add(_digest(event.request_id))
        elif event.type == "rating" and event.user_id and event.rating is not None:
            stars[event.user_id][event.event_id] = event.rating
    answers: dict[str, int] = defaultdict(int)
    with_click: dict[str, int] = defaultdict(int)
    for request, user in shown.items():
        answers[user] += 1
        with_click[user] += request in clicked
    return {
        "click_rate": {user: with_click[user] / count for user, count in answers.items()},
        "rating": {user: sum(given.values()) / len(given) for user, given in stars.items()},
    }


def _digest(request_id: str) -> bytes:
    return blake2b(request_id.encode(), digest_size=8).digest()
