"""What becomes of the units of an experiment: from events in any order to metrics in the order of maturity."""

import itertools
import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediareview.contracts import Exposure, Feedback, Record, ServedAnswer
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import Candidate, Rollout
from serving.rollouts.sources.before import before
from serving.rollouts.sources.enrolment import PATIENCE_S, Enrolment

T0 = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WINDOW_S = 600.0
NUMBERS = itertools.count()


def rollout(model: str = "sentiment", **plan: Any) -> Rollout:
    return Rollout(
        id="exp",
        model=model,
        candidate=Candidate(version="2", uri="file:///2", predictor="v2"),
        stable_version="1",
        stable_predictor="stable",
        plan=Plan(outcome_window_s=WINDOW_S, **plan),
        phase="running",
        traffic_percent=10,
        sequence=2,
        started_at=T0,
        changed_at=T0,
        reason="",
    )


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def exposure(unit: str, variant: str = "v2", seconds: float = 0.0, experiment: str = "exp") -> Exposure:
    return Exposure(
        experiment=experiment, unit=unit, variant=variant, propensity=0.5, request_id=f"x{next(NUMBERS)}",
        model="sentiment", occurred_at=at(seconds),
    )  # fmt: skip


def answer(unit: str, request: str, seconds: float = 0.0, labels: dict[str, str] | None = None) -> ServedAnswer:
    given = labels if labels is not None else {"r": "positive"}
    return ServedAnswer(
        request_id=request, experiment="exp", unit=unit, model="sentiment", variant="v2", answered_by="v2", version="2",
        item_ids=list(given), labels=list(given.values()), occurred_at=at(seconds),
    )  # fmt: skip


def shown(unit: str, request: str, seconds: float, *titles: str) -> ServedAnswer:
    return answer(unit, request, seconds).model_copy(update={"item_ids": list(titles), "labels": []})


def feedback(request: str, kind: str, seconds: float = 1.0, **fields: Any) -> Feedback:
    return Feedback(event_id=f"f{next(NUMBERS)}", request_id=request, type=kind, occurred_at=at(seconds), **fields)  # type: ignore[arg-type]


def enrolment(events: list[Record], model: str = "sentiment", now_s: float = 2000.0) -> Enrolment:
    found = Enrolment(rollout(model))
    for event in events:
        found.add(event, at(now_s))
    found.settle(at(now_s))
    return found


def values(
    events: list[Record], metric: str, model: str = "sentiment", now_s: float = 2000.0
) -> dict[str, list[float]]:
    outcome = enrolment(events, model, now_s).outcomes(at(now_s), {})[metric]
    return {group: list(found) for group, found in outcome.values.items()}


def test_a_unit_agrees_as_far_as_later_labels_are_what_the_model_said() -> None:
    events = [
        exposure("u"),
        answer("u", "q1", 0, {"a": "positive", "b": "negative"}),
        answer("u", "q2", 5, {"c": "neutral"}),
        feedback("q1", "label", 10, item_ids=["a"], label="Positive"),
        feedback("q1", "label", 10, item_ids=["b"], label="positive"),
        feedback("q2", "label", 20, label="neutral"),
    ]
    assert values(events, "agreement")["canary"] == [pytest.approx(2 / 3)]


def test_the_newest_label_of_an_item_counts() -> None:
    events = [exposure("u"), answer("u", "q"), feedback("q", "label", 30, label="positive"),
              feedback("q", "label", 10, label="negative")]  # fmt: skip
    assert values(events, "agreement")["canary"] == [1.0]


def test_units_without_labels_are_missing_and_not_wrong() -> None:
    outcome = enrolment([exposure("u"), answer("u", "q")]).outcomes(at(2000), {})["agreement"]
    assert outcome.values["canary"].size == 0
    assert outcome.missing == {"canary": 1, "control": 0}


def test_only_units_whose_window_has_passed_count() -> None:
    events = [exposure("u", seconds=0), answer("u", "q"), feedback("q", "label", label="positive")]
    assert values(events, "agreement", now_s=WINDOW_S - 1)["canary"] == []
    assert values(events, "agreement", now_s=WINDOW_S + 3)["canary"] == [1.0]


def test_what_happens_after_the_window_does_not_count() -> None:
    events = [
        exposure("u"),
        answer("u", "q"),
        feedback("q", "label", WINDOW_S + 5, label="negative"),
        answer("u", "late", WINDOW_S + 1),
        feedback("late", "label", WINDOW_S + 2, label="negative"),
        feedback("q", "label", 5, label="positive"),
    ]
    assert values(events, "agreement")["canary"] == [1.0]


def test_the_earliest_exposure_counts() -> None:
    found = enrolment([exposure("u", seconds=300), exposure("u", seconds=100)])
    assert found.enrolled == {"canary": 1, "control": 0}
    assert found.outcomes(at(100 + WINDOW_S + 3), {})["agreement"].missing["canary"] == 1


def test_a_unit_seen_in_both_groups_is_in_neither() -> None:
    found = enrolment([exposure("u"), exposure("u", "stable"), exposure("w", "stable")])
    assert (found.enrolled, found.mixed) == ({"canary": 0, "control": 1}, 1)


def test_other_experiments_and_variants_change_nothing() -> None:
    found = enrolment([exposure("u", experiment="other"), exposure("w", "v7")])
    assert found.enrolled == {"canary": 0, "control": 0}


def test_moderation_counts_appeals_and_those_that_a_person_upheld() -> None:
    events = [
        exposure("u"),
        answer("u", "q", 0, {"a": "block", "b": "block", "c": "allow", "d": "allow"}),
        feedback("q", "appeal", 1, item_ids=["a", "b"]),
        feedback("q", "label", 2, item_ids=["a"], label="allow"),
        feedback("q", "label", 2, item_ids=["b"], label="block"),
    ]
    assert values(events, "appeal_rate", "moderation")["canary"] == [0.5]
    assert values(events, "overturn_rate", "moderation")["canary"] == [0.25]


def test_a_recommender_is_judged_by_answers_with_a_click_on_what_was_shown() -> None:
    events = [
        exposure("u"),
        shown("u", "q1", 0, "a", "b"),
        shown("u", "q2", 1, "c"),
        feedback("q1", "click", item_ids=["b"]),
        feedback("q1", "click", item_ids=["a"]),
        feedback("q2", "click", item_ids=["elsewhere"]),
        feedback("q1", "rating", item_ids=["b"], rating=4.0),
        feedback("q1", "rating", 9, item_ids=["b"], rating=2.0),
    ]
    assert values(events, "click_rate", "recommender")["canary"] == [0.5]
    assert values(events, "rating", "recommender")["canary"] == [2.0]


def test_outcomes_come_in_the_order_in_which_windows_passed() -> None:
    events: list[Record] = []
    for number, seconds in enumerate((30, 10, 20)):
        label = "positive" if seconds == 10 else "negative"
        events += [exposure(f"u{number}", seconds=seconds), answer(f"u{number}", f"q{number}", seconds),
                   feedback(f"q{number}", "label", seconds + 1, label=label)]  # fmt: skip
    assert values(events, "agreement")["canary"] == [1.0, 0.0, 0.0]


def test_feedback_waits_for_its_answer_and_an_answer_for_its_exposure() -> None:
    found = Enrolment(rollout())
    now = at(5)
    for event in (feedback("q", "label", 3, label="positive"), answer("u", "q", 2)):
        found.add(event, now)
    found.settle(now)
    found.add(exposure("u", seconds=2), now)
    found.settle(now)
    assert list(found.outcomes(at(700), {})["agreement"].values["canary"]) == [1.0]


def test_nothing_waits_for_ever() -> None:
    found = Enrolment(rollout())
    found.add(feedback("unknown", "click", 3), at(5))
    found.settle(at(5 + PATIENCE_S))
    assert found._waiting == []
    found.add(feedback("unknown", "click", 3), at(5 + PATIENCE_S))
    assert found._waiting == []


@given(seed=st.integers(0, 2**32), cut=st.integers(0, 40))
def test_neither_order_nor_repetition_of_events_changes_what_is_known(seed: int, cut: int) -> None:
    draw = random.Random(seed)
    events: list[Record] = []
    for unit in range(8):
        variant = draw.choice(["v2", "stable"])
        seconds = draw.uniform(0, 100)
        events.append(exposure(f"u{unit}", variant, seconds))
        for number in range(draw.randint(0, 3)):
            request = f"q{unit}-{number}"
            events.append(answer(f"u{unit}", request, seconds + number, {"a": "positive", "b": "negative"}))
            for _ in range(draw.randint(0, 2)):
                label = draw.choice(["positive", "negative"])
                events.append(
                    feedback(request, "label", seconds + draw.uniform(0, 50), item_ids=[draw.choice("ab")], label=label)
                )
    shuffled = draw.sample(events, len(events))
    now = at(120)  # all of it happened within the time that events wait for each other, but for the oldest
    first, second = Enrolment(rollout()), Enrolment(rollout())
    for event in sorted(events, key=lambda event: type(event).__name__ != "Exposure"):
        first.add(event, now)
    first.settle(now)
    first.settle(now)
    for event in (*shuffled[:cut], *shuffled):
        second.add(event, at(60))
    for _ in range(3):
        second.settle(at(60))
    assert first.enrolled == second.enrolled
    left, right = (item.outcomes(at(2000), {})["agreement"] for item in (first, second))
    for group in ("canary", "control"):
        np.testing.assert_array_equal(left.values[group], right.values[group])  # type: ignore[index]
    assert left.missing == right.missing


def test_the_past_of_users_is_known_and_that_of_visitors_is_not() -> None:
    past: list[Record] = [
        feedback("p1", "impression", -100, user_id="u", item_ids=["a"]),
        feedback("p2", "impression", -90, user_id="u", item_ids=["a"]),
        feedback("p1", "click", -99, item_ids=["a"]),
        feedback("p1", "click", -98, item_ids=["a"]),
        feedback("p3", "impression", 5, user_id="u", item_ids=["a"]),
        feedback("p1", "rating", -50, user_id="u", item_ids=["a"], rating=4.0),
    ]
    known = before(rollout("recommender"), past)
    assert known == {"click_rate": {"u": 0.5}, "rating": {"u": 4.0}}
    found = enrolment([exposure("u"), shown("u", "q1", 0, "a"), exposure("visitor", seconds=1),
                       shown("visitor", "q2", 1, "a")], "recommender")  # fmt: skip
    outcome = found.outcomes(at(2000), known)["click_rate"]
    assert outcome.covariates is not None
    first, second = outcome.covariates["canary"]
    assert first == 0.5
    assert math.isnan(second)
    assert len(outcome.covariates["canary"]) == len(outcome.values["canary"])
