from datetime import timedelta
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.rollouts.evidence import CANARY, CONTROL, Evidence
from serving.rollouts.judge import judge
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import Phase
from tests.judge_cases import HOUR, START, both, calls, evidence, outcomes, rollout, shares, spread

DAY = timedelta(days=1)
AB = {"mode": "ab", "traffic_percent": 50}
ENOUGH = 20_000
"""Units of each group that prove no loss of 0.02."""


def finding(verdict: Any, name: str) -> Any:
    return next(found for found in verdict.findings if found.name == name)


@pytest.mark.parametrize("phase", ["starting", "promoted", "rolled_back"])
def test_a_rollout_without_users_is_left_alone_whatever_is_found(phase: Phase) -> None:
    verdict = judge(rollout(phase=phase), evidence(shares(1000, 0.1, 0.9)))
    assert verdict.action == "hold"
    assert phase.replace("_", " ") in verdict.reason
    assert finding(verdict, "agreement").state == "loss"
    assert verdict.decision_in_s is None


def test_a_candidate_that_is_proven_no_worse_is_promoted() -> None:
    verdict = judge(rollout(), evidence(shares(ENOUGH, 0.7, 0.7)))
    assert verdict.action == "promote"
    assert finding(verdict, "agreement").state == "non_inferior"
    assert finding(verdict, "agreement").low > -0.02


def test_no_worse_is_not_enough_in_an_ab_test() -> None:
    verdict = judge(rollout(AB), evidence(shares(ENOUGH, 0.7, 0.7)))
    assert verdict.action == "hold"
    assert finding(verdict, "agreement").state == "non_inferior"


@pytest.mark.parametrize("plan", [{}, AB])
def test_a_win_is_promoted(plan: dict[str, Any]) -> None:
    verdict = judge(rollout(plan), evidence(shares(1000, 0.8, 0.7)))
    assert verdict.action == "promote"
    assert finding(verdict, "agreement").state == "win"
    assert "better: +0.1" in verdict.reason


def test_an_ab_test_is_won_at_once_and_a_canary_has_to_go_all_the_way_first() -> None:
    won = evidence(shares(1000, 0.8, 0.7), at=START + timedelta(seconds=10))
    assert judge(rollout(AB), won).action == "promote"
    assert judge(rollout(), won).action == "hold"
    assert judge(rollout(traffic_percent=40), won).action == "hold"
    assert judge(rollout(traffic_percent=40), evidence(shares(1000, 0.8, 0.7))).action == "step"


@pytest.mark.parametrize("plan", [{}, AB])
def test_a_significant_loss_is_taken_back_at_any_traffic(plan: dict[str, Any]) -> None:
    running = rollout(plan, traffic_percent=10 if not plan else 50)
    verdict = judge(running, evidence(shares(1000, 0.6, 0.7)))
    assert verdict.action == "roll_back"
    assert "agreement: the candidate is worse: -0.1" in verdict.reason


def test_less_is_a_gain_where_lower_is_better() -> None:
    plan = {"metric": "appeal_rate"}
    better = evidence(shares(1000, 0.1, 0.2, "appeal_rate", higher_is_better=False))
    worse = evidence(shares(1000, 0.2, 0.1, "appeal_rate", higher_is_better=False))
    assert judge(rollout(plan), better).action == "promote"
    assert judge(rollout(plan), worse).action == "roll_back"


def test_harm_to_another_metric_takes_the_candidate_back_though_it_wins() -> None:
    wins = shares(1000, 0.8, 0.7)
    harms = shares(1000, 0.2, 0.05, "appeal_rate", higher_is_better=False)
    verdict = judge(rollout(model="moderation"), evidence(wins, harms))
    assert verdict.action == "roll_back"
    assert verdict.reason.startswith("appeal_rate: the candidate is worse")


def test_a_gain_of_another_metric_promotes_nothing() -> None:
    verdict = judge(
        rollout(model="recommender"), evidence(shares(1000, 0.3, 0.3, "click_rate"), shares(1000, 0.9, 0.1, "rating"))
    )
    assert verdict.action == "hold"


def test_a_paused_candidate_is_taken_back_if_it_harms_its_users_and_gets_nothing_else() -> None:
    paused = rollout(phase="paused")
    assert judge(paused, evidence(shares(1000, 0.6, 0.7))).action == "roll_back"
    assert judge(paused, evidence(calls=both(calls(900, 100)), recent_calls=both(calls(90, 10)))).action == "roll_back"
    for found in (shares(ENOUGH, 0.8, 0.7), shares(ENOUGH, 0.7, 0.7)):
        verdict = judge(paused, evidence(found))
        assert (verdict.action, verdict.reason) == ("hold", "the rollout is paused")


def test_a_candidate_that_says_something_else_is_paused_though_nobody_says_what_is_right() -> None:
    other = shares(1000, 0.9, 0.5, "positive_share", higher_is_better=None)
    verdict = judge(rollout(), evidence(shares(0, 0.0, 0.0), other))
    assert verdict.action == "pause"
    assert verdict.reason.startswith("positive_share: the candidate differs by more than 0.2: +0.4")
    assert judge(rollout({"max_shift": 1.0}), evidence(shares(1000, 0.7, 0.7), other)).action != "pause"


def test_a_candidate_that_is_worse_and_says_something_else_is_taken_back() -> None:
    other = shares(1000, 0.9, 0.5, "positive_share", higher_is_better=None)
    assert judge(rollout(), evidence(shares(1000, 0.4, 0.7), other)).action == "roll_back"


@pytest.mark.parametrize("less", [-1, 1])
def test_a_small_shift_is_shown_and_stops_nothing(less: int) -> None:
    other = shares(ENOUGH, 0.5 + 0.1 * less, 0.5, "positive_share", higher_is_better=None)
    verdict = judge(rollout(), evidence(shares(ENOUGH, 0.7, 0.7), other))
    assert verdict.action == "promote"
    assert finding(verdict, "positive_share").state == "ok"


def test_a_step_comes_when_the_last_one_is_old_enough() -> None:
    begun = rollout(traffic_percent=10)
    early = judge(begun, evidence(at=START + timedelta(seconds=599)))
    assert early.action == "hold"
    assert "the next step, from 10 %, in 1.0 s" in early.reason
    assert judge(begun, evidence(at=START + timedelta(seconds=600))).action == "step"


def test_no_step_goes_beyond_the_plan() -> None:
    assert judge(rollout(traffic_percent=50), evidence()).action == "hold"


def test_a_step_waits_for_calls_of_the_candidate() -> None:
    begun = rollout(traffic_percent=10)
    silent = judge(begun, evidence(calls=both(calls(3)), recent_calls=both(calls(3))))
    assert silent.action == "hold"
    assert "waits for 20 calls of the candidate" in silent.reason
    few = evidence(calls=both(calls(60)), recent_calls=both(calls(3)))
    assert judge(begun, few).action == "step"
    none_lately = evidence(calls=both(calls(60)), recent_calls=both(calls(0)))
    assert judge(begun, none_lately).action == "hold"


@pytest.mark.parametrize(
    "blindness",
    [
        {"blind": ("the API's metrics cannot be read",)},
        {"calls": None, "recent_calls": None},
        {"recent_calls": None},
        {"calls": {CONTROL: calls()}, "recent_calls": {CONTROL: calls()}},
    ],
)
def test_who_cannot_see_neither_steps_nor_promotes(blindness: dict[str, Any]) -> None:
    for running, found in (
        (rollout(traffic_percent=10), shares(1000, 0.7, 0.7)),
        (rollout(), shares(ENOUGH, 0.7, 0.7)),
        (rollout(AB), shares(1000, 0.8, 0.7)),
    ):
        verdict = judge(running, evidence(found, **blindness))
        assert verdict.action == "hold"
        assert verdict.reason.startswith("cannot see: ")


def test_a_loss_is_acted_on_though_calls_cannot_be_seen() -> None:
    assert judge(rollout(), evidence(shares(1000, 0.6, 0.7), calls=None)).action == "roll_back"


def test_a_wrong_sample_ratio_pauses_before_any_decision_about_quality() -> None:
    for share in (0.1, 0.9):
        verdict = judge(rollout(), evidence(shares(1000, share, 0.7), enrolled={CANARY: 1200, CONTROL: 1000}))
        assert verdict.action == "pause"
        assert "sample ratio" in verdict.reason


def test_a_paused_rollout_with_a_wrong_sample_ratio_stays_paused_whatever_it_seems_to_lose() -> None:
    found = evidence(shares(1000, 0.1, 0.7), enrolled={CANARY: 1200, CONTROL: 1000})
    assert judge(rollout(phase="paused"), found).action == "hold"


def test_the_planned_ratio_is_the_one_that_is_expected() -> None:
    plan = {"max_percent": 20}
    found = outcomes("agreement", spread(1000, 0.7), spread(4000, 0.7))
    assert judge(rollout(plan), evidence(found)).action == "hold"
    assert judge(rollout(plan), evidence(shares(1000, 0.7, 0.7))).action == "pause"


def test_outcomes_that_come_more_often_in_one_group_decide_nothing_in_favour() -> None:
    found = outcomes("agreement", spread(1000, 0.9), spread(1500, 0.7), missing={CANARY: 500})
    verdict = judge(rollout(), evidence(found, enrolled={CANARY: 1500, CONTROL: 1500}))
    assert verdict.action == "hold"
    assert "units with agreement" in verdict.reason


def test_without_outcomes_a_rollout_goes_on_but_is_never_promoted() -> None:
    nothing = {"outcomes": {}, "enrolled": {CANARY: 500, CONTROL: 500}}
    assert judge(rollout(traffic_percent=10), evidence(**nothing)).action == "step"
    verdict = judge(rollout(), evidence(**nothing))
    assert verdict.action == "hold"
    assert "nothing is known of agreement" in verdict.reason


def test_the_first_look_is_after_the_least_units_of_each_group() -> None:
    few = judge(rollout(), evidence(shares(99, 1.0, 0.1)))
    assert few.action == "hold"
    assert "the first look is after 200" in few.reason
    assert judge(rollout(), evidence(shares(100, 1.0, 0.1))).action == "promote"


def test_equal_outcomes_of_a_few_units_do_not_look_certain() -> None:
    assert judge(rollout(), evidence(shares(100, 1.0, 1.0))).action == "hold"
    assert judge(rollout(), evidence(shares(100, 0.0, 0.0))).action == "hold"
    assert judge(rollout(), evidence(shares(1000, 1.0, 1.0))).action == "promote"


def test_what_is_no_number_never_decides() -> None:
    broken = outcomes("agreement", np.full(1000, np.nan), np.full(1000, np.inf))
    verdict = judge(rollout(), evidence(broken))
    assert verdict.action == "hold"
    mixed = spread(2000, 0.7)
    mixed[::2] = np.nan
    half = judge(rollout(), evidence(outcomes("agreement", mixed, mixed)))
    assert half.action == "hold"
    assert finding(half, "agreement").units == (1000, 1000)


def test_covariates_that_explain_the_outcomes_shorten_the_wait() -> None:
    random = np.random.default_rng(0)
    before = {group: random.random(2000) for group in (CANARY, CONTROL)}
    values = {group: before[group] + 0.05 * random.random(2000) for group in before}
    bare = judge(rollout(), evidence(outcomes("agreement", values[CANARY], values[CONTROL])))
    known = judge(rollout(), evidence(outcomes("agreement", values[CANARY], values[CONTROL], covariates=before)))
    wide, narrow = (found.high - found.low for found in (finding(bare, "agreement"), finding(known, "agreement")))
    assert narrow < wide / 4
    assert known.action == "promote"


def test_an_effect_that_turned_around_is_not_promoted() -> None:
    canary = np.concatenate([spread(1000, 0.9), spread(9000, 0.705)])
    verdict = judge(rollout(), evidence(outcomes("agreement", canary, spread(10_000, 0.7))))
    assert verdict.action == "hold"
    assert finding(verdict, "agreement").state == "unknown"
    assert "the effect changes" in verdict.reason


def test_an_undecided_rollout_is_paused_at_its_deadline_with_what_is_missing() -> None:
    verdict = judge(rollout(), evidence(at=START + 8 * DAY))
    assert verdict.action == "pause"
    assert "not decided within 7 d" in verdict.reason
    assert "a loss of 0.02 is not excluded yet" in verdict.reason
    assert judge(rollout(), evidence(at=START + 6 * DAY)).action == "hold"


def test_a_rollout_that_cannot_be_seen_is_paused_at_its_deadline_too() -> None:
    verdict = judge(rollout(), evidence(at=START + 8 * DAY, calls=None))
    assert verdict.action == "pause"
    assert "calls cannot be seen" in verdict.reason


def test_a_clock_that_was_set_back_only_holds_but_for_what_makes_things_safer() -> None:
    before = START - timedelta(minutes=2)
    verdict = judge(rollout(), evidence(shares(ENOUGH, 0.7, 0.7), at=before))
    assert verdict.action == "hold"
    assert "clock is 2 min behind" in verdict.reason
    assert judge(rollout(traffic_percent=10), evidence(at=before)).action == "hold"
    assert judge(rollout(), evidence(shares(1000, 0.6, 0.7), at=before)).action == "roll_back"
    assert judge(rollout(), evidence(recent_calls=both(calls(0, 50)), at=before)).action == "roll_back"


def test_the_agreed_maximum_without_a_win_ends_an_ab_test() -> None:
    plan = {**AB, "max_units": 2000}
    assert judge(rollout(plan), evidence(shares(900, 0.7, 0.7))).action == "hold"
    verdict = judge(rollout(plan), evidence(shares(1000, 0.7, 0.7)))
    assert verdict.action == "roll_back"
    assert "no win among 2000 units" in verdict.reason
    assert judge(rollout(plan), evidence(shares(1000, 0.8, 0.7))).action == "promote"


def test_the_agreed_maximum_without_a_proof_pauses_a_canary() -> None:
    verdict = judge(rollout({"max_units": 2000}), evidence(shares(1000, 0.7, 0.7)))
    assert verdict.action == "pause"
    assert "nothing is proven by 2000 units" in verdict.reason


def test_with_a_known_maximum_the_looks_are_fixed_however_much_more_is_known() -> None:
    running = rollout({**AB, "max_units": 2000})
    random = np.random.default_rng(1)
    canary, control = (random.random(1000) < 0.7).astype(float), (random.random(1000) < 0.7).astype(float)

    def effect(units: int) -> Any:
        found = outcomes("agreement", canary[:units], control[:units])
        return finding(judge(running, evidence(found)), "agreement").effect

    assert effect(150) is None
    assert effect(200) == effect(399)
    assert effect(399) != effect(400)


def test_shadow_mode_promotes_nothing_and_pauses_with_what_was_found() -> None:
    shadow = {"mode": "shadow"}
    few = judge(rollout(shadow), evidence(shares(ENOUGH, 0.9, 0.7), agreements=np.ones(999)))
    assert few.action == "hold"
    enough = judge(rollout(shadow), evidence(agreements=np.repeat([1.0, 0.5], 500)))
    assert enough.action == "pause"
    assert "75.0% of what was said is the same" in enough.reason
    assert judge(rollout(shadow), evidence(at=START + 8 * DAY, agreements=np.ones(10))).action == "pause"
    assert judge(rollout(shadow), evidence(recent_calls=both(calls(0, 50)))).action == "roll_back"


def test_the_expected_time_to_a_decision_follows_the_pace_of_units() -> None:
    waiting = judge(rollout(), evidence(shares(5000, 0.7, 0.7)))
    assert waiting.action == "hold"
    assert waiting.decision_in_s is not None
    # At twice the pace it takes less, and what is predicted comes true.
    sooner = judge(rollout(), evidence(shares(10_000, 0.7, 0.7)))
    assert sooner.decision_in_s is None or sooner.decision_in_s < waiting.decision_in_s
    pace = 10_000 / (2 * 3600 - 600)
    needed = 10_000 + waiting.decision_in_s * pace
    assert judge(rollout(), evidence(shares(int(1.02 * needed / 2), 0.7, 0.7))).action == "promote"
    assert judge(rollout(), evidence(shares(int(0.95 * needed / 2), 0.7, 0.7))).action == "hold"


def test_the_expected_time_counts_the_steps_to_come() -> None:
    won = judge(rollout(traffic_percent=10), evidence(shares(1000, 0.8, 0.7), at=START + timedelta(seconds=100)))
    assert won.decision_in_s == pytest.approx(5 * 600 - 100)


def test_where_nothing_can_be_told_the_expected_time_is_unknown() -> None:
    assert judge(rollout(), evidence(outcomes={})).decision_in_s is None
    assert judge(rollout(AB), evidence(shares(1000, 0.7, 0.7))).decision_in_s is None


def drawn(seed: int, units: int, canary: float, control: float) -> Evidence:
    random = np.random.default_rng(seed)
    ranks = random.random((2, units))
    return evidence(outcomes("agreement", ranks[0] < canary, ranks[1] < control), at=START + HOUR)


@given(
    seed=st.integers(0, 2**32 - 1),
    units=st.integers(100, 4000),
    control=st.floats(0.05, 0.95),
    better=st.floats(0.0, 1.0),
    worse=st.floats(0.0, 1.0),
)
@settings(max_examples=150, deadline=None)
def test_a_worse_candidate_is_never_promoted_where_a_better_one_is_taken_back(
    seed: int, units: int, control: float, better: float, worse: float
) -> None:
    better, worse = max(better, worse), min(better, worse)
    first = judge(rollout(), drawn(seed, units, better, control)).action
    second = judge(rollout(), drawn(seed, units, worse, control)).action
    assert not (first == "roll_back" and second == "promote")


@given(seed=st.integers(0, 2**32 - 1), times=st.lists(st.integers(1, 4000), max_size=5))
@settings(max_examples=50, deadline=None)
def test_how_often_it_was_asked_changes_nothing(seed: int, times: list[int]) -> None:
    random = np.random.default_rng(seed)
    canary, control = random.random(4000) < 0.72, random.random(4000) < 0.7
    for units in sorted(times):
        judge(rollout(), evidence(outcomes("agreement", canary[:units], control[:units])))
    asked = judge(rollout(), evidence(outcomes("agreement", canary, control)))
    assert asked == judge(rollout(), evidence(outcomes("agreement", canary, control)))


@given(seed=st.integers(0, 2**32 - 1), later=st.integers(0, 3000))
@settings(max_examples=60, deadline=None)
def test_a_loss_that_was_once_found_is_found_by_whoever_looks_later(seed: int, later: int) -> None:
    random = np.random.default_rng(seed)
    canary = np.concatenate([random.random(600) < 0.4, random.random(later) < 0.75])
    control = random.random(600 + later) < 0.7
    assert judge(rollout(), evidence(outcomes("agreement", canary[:600], control[:600]))).action == "roll_back"
    assert judge(rollout(), evidence(outcomes("agreement", canary, control))).action == "roll_back"


@pytest.mark.parametrize("percent", [1, 10, 29, 50, 71, 90, 99])
def test_a_maximum_that_is_just_enough_for_one_look_is_looked_at_once(percent: int) -> None:
    least = Plan(mode="ab", traffic_percent=percent).first_look_units
    with pytest.raises(ValidationError, match="raise --max-units"):
        Plan(mode="ab", traffic_percent=percent, max_units=least - 1)
    plan = {"mode": "ab", "traffic_percent": percent, "max_units": least}
    canary, control = ceil(least * percent / 100), ceil(least * (100 - percent) / 100)
    early = judge(rollout(plan), evidence(outcomes("agreement", spread(canary - 1, 0.5), spread(control - 1, 0.5))))
    assert f"the first look is after {least}" in early.reason
    found = judge(rollout(plan), evidence(outcomes("agreement", spread(canary, 0.5), spread(control, 0.5))))
    assert "no win among" in found.reason
    assert min(finding(found, "agreement").units) >= 100
