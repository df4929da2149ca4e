"""Answers whose order was randomised, with who got them and what was clicked, from the event stream and the lake."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mediareview.contracts import Feedback, ServedAnswer
from mediareview.settings import Settings
from serving.rollouts.sources.journals import JournalTail

RECOMMENDER = "recommender"


@dataclass(frozen=True)
class LoggedAnswer:
    """What a user was shown, and clicked."""

    unit: str
    """Whom the answer belongs to, as the experiment counts units."""
    user_id: str
    shown: tuple[str, ...]
    """Titles, best place first."""
    propensities: tuple[float, ...]
    """Probability with which each title came to its place."""
    clicked: frozenset[str]


@dataclass(frozen=True)
class Log:
    """The answers that can be learned from, and how many cannot be."""

    answers: list[LoggedAnswer]
    not_randomised: int
    """Answers whose order was fixed."""
    anonymous: int
    """Randomised answers to visitors, whose history nobody kept: a candidate cannot rank for them."""


def read_log(settings: Settings, since: datetime | None = None) -> Log:
    """Return the recommender's answers.

    Args:
        settings: where the event stream and the lake are.
        since: only answers given at or after this moment.
    """
    shown: dict[str, dict[str, Any]] = {}
    for row in _rows(settings, ServedAnswer.table, since):
        if row.get("model") == RECOMMENDER and row.get("item_ids"):
            shown.setdefault(row["request_id"], row)
    users: dict[str, str] = {}
    clicked: dict[str, set[str]] = {}
    for row in _rows(settings, Feedback.table, since):
        request = row.get("request_id", "")
        if request in shown and row.get("type") == "impression" and row.get("user_id"):
            users[request] = row["user_id"]
        elif request in shown and row.get("type") == "click":
            clicked.setdefault(request, set()).update(row["item_ids"])
    randomised = {
        request: row for request, row in shown.items() if len(row.get("propensities") or ()) == len(row["item_ids"])
    }
    answers = [
        LoggedAnswer(
            unit=row["unit"],
            user_id=users[request],
            shown=tuple(row["item_ids"]),
            propensities=tuple(row["propensities"]),
            clicked=frozenset(clicked.get(request, ())),
        )
        for request, row in sorted(randomised.items())
        if request in users
    ]
    return Log(answers, len(shown) - len(randomised), len(randomised) - len(answers))


def _rows(settings: Settings, table: str, since: datetime | None) -> Iterator[dict[str, Any]]:
    """Yield the events of a table, from the event stream and from the lake; some may come twice."""
    earliest = since or datetime.fromtimestamp(0, UTC)
    for row in _lake_rows(settings, table):
        if row["occurred_at"] >= earliest:
            yield row
    for line in JournalTail(settings.events / table, earliest).lines():
        try:
            row = json.loads(line)
            if datetime.fromisoformat(row["occurred_at"]) >= earliest:
                yield row
        except (ValueError, KeyError, TypeError):
            continue  # of another release, or what a crash left


def _lake_rows(settings: Settings, table: str) -> Iterator[dict[str, Any]]:
    from mediareview.lake import Lake

    lake = Lake.from_settings(settings)
    if lake.exists(table):
        # In this thread: PyArrow's own may outlive what they read, and abort a short command.
        for batch in lake.dataset(table).to_batches(use_threads=False):
            yield from batch.to_pylist()
