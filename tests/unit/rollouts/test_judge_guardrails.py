from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.rollouts.evidence import Calls
from serving.rollouts.guardrails import slow_above_s
from serving.rollouts.judge import judge
from tests.judge_cases import START, both, calls, evidence, rollout, shares


@pytest.mark.parametrize("traffic", [10, 50])
def test_a_handful_of_failures_takes_the_candidate_back(traffic: int) -> None:
    failing = both(calls(0, 5), calls(500))
    verdict = judge(rollout(traffic_percent=traffic), evidence(recent_calls=failing, calls=failing))
    assert verdict.action == "roll_back"
    assert verdict.reason == "failures: 5 of 5 calls failed; of the stable version's 0 of 500"
    four = both(calls(0, 4), calls(500))
    assert judge(rollout(), evidence(recent_calls=four, calls=four)).action == "hold"


def test_a_failing_candidate_is_taken_back_before_anything_is_known_of_the_stable_version() -> None:
    failing = both(calls(0, 20), calls(0))
    assert judge(rollout(), evidence(recent_calls=failing, calls=failing)).action == "roll_back"


def test_a_few_failures_among_many_calls_are_tolerated() -> None:
    some = both(calls(1000, 10), calls(9000, 20))
    assert judge(rollout(), evidence(recent_calls=some, calls=some)).action == "hold"


def test_trouble_that_both_versions_have_is_no_reason() -> None:
    for bad in (50, 200, 1000):
        trouble = both(calls(1000 - bad, bad), calls(1000 - bad, bad))
        verdict = judge(rollout(), evidence(shares(20_000, 0.7, 0.7), recent_calls=trouble, calls=trouble))
        assert verdict.action != "roll_back", bad


def test_past_trouble_of_both_while_the_candidate_had_more_traffic_is_no_reason() -> None:
    # 10 % of the traffic for long, then 50 %, when every tenth call of both failed for a while.
    ever = both(calls(1000 + 9000, 1000), calls(9000 + 9000, 1000))
    begun = {"traffic_percent": 10, "max_percent": 50}
    assert judge(rollout(begun), evidence(calls=ever)).action == "hold"
    # With traffic as it was at first the stable version's share would have been the same.
    assert judge(rollout(begun, traffic_percent=10), evidence(calls=ever)).action == "roll_back"


def test_slow_trouble_is_found_in_all_calls_though_no_few_minutes_show_it() -> None:
    recent, ever = both(calls(114, 6), calls(1080, 2)), both(calls(1900, 100), calls(18_000, 36))
    begun = rollout(traffic_percent=10)
    assert judge(begun, evidence(recent_calls=recent, calls=recent)).action == "step"
    assert judge(begun, evidence(recent_calls=recent, calls=ever)).action == "roll_back"


def test_a_slow_candidate_is_taken_back() -> None:
    slow = both(calls(40, slow=25), calls(400))
    verdict = judge(rollout(), evidence(recent_calls=slow, calls=slow))
    assert verdict.action == "roll_back"
    assert verdict.reason == "latency: 25 of 40 calls were slow (over 0.05 s); of the stable version's 0 of 400"


def test_the_first_answers_of_a_process_may_be_slow() -> None:
    cold = both(calls(40, slow=15), calls(400))
    assert judge(rollout(traffic_percent=10), evidence(recent_calls=cold, calls=cold)).action == "step"


def test_slowness_that_both_versions_have_is_no_reason() -> None:
    slow = both(calls(400, slow=200), calls(400, slow=200))
    assert judge(rollout(), evidence(recent_calls=slow, calls=slow)).action == "hold"


def test_counts_that_do_not_quite_fit_together_are_borne() -> None:
    odd = both(Calls(100, 0, {0.025: 99, 0.05: 103}), Calls(100, 0, {0.025: 99, 0.05: 104}))
    assert judge(rollout(traffic_percent=10), evidence(recent_calls=odd, calls=odd)).action == "step"


def test_a_call_is_slow_that_takes_twice_as_long_as_nearly_all_of_the_stable_version() -> None:
    assert slow_above_s(Calls(100, 0, {0.1: 0, 0.2: 100, 0.3: 100, 0.5: 100})) == 0.5
    assert slow_above_s(Calls(100, 0, {0.001: 100, 0.01: 100, 0.025: 100, 0.1: 100})) == 0.025
    assert slow_above_s(Calls(100, 0, {0.1: 0, 0.2: 100})) is None
    assert slow_above_s(Calls(0, 0, {})) is None


def test_a_stable_version_without_answers_says_nothing_of_latency_and_no_step_is_made() -> None:
    unknown = both(calls(100), Calls(0, 0))
    verdict = judge(rollout(traffic_percent=10), evidence(recent_calls=unknown, calls=unknown))
    assert verdict.action == "hold"
    assert "waits for 20 answers of the stable version" in verdict.reason


def test_a_candidate_that_is_not_ready_holds_everything_and_is_taken_back_in_the_end() -> None:
    won = shares(1000, 0.8, 0.7)
    at = START + timedelta(hours=2)
    for since, action in (
        (None, "hold"),
        (at - timedelta(seconds=599), "hold"),
        (at - timedelta(seconds=601), "roll_back"),
    ):
        verdict = judge(rollout(), evidence(won, candidate_ready=False, unready_since=since))
        assert verdict.action == action
        assert "the candidate has not been ready" in verdict.reason


def test_guardrails_act_before_the_sample_ratio_and_the_deadline() -> None:
    failing = both(calls(0, 50))
    late = evidence(enrolled={"canary": 900, "control": 100}, recent_calls=failing, at=START + timedelta(days=30))
    assert judge(rollout(), late).action == "roll_back"


@given(
    answered=st.integers(0, 2000),
    failed=st.integers(0, 2000),
    more=st.integers(0, 500),
    control=st.tuples(st.integers(0, 5000), st.integers(0, 500)),
    traffic=st.integers(10, 50),
)
@settings(max_examples=300, deadline=None)
def test_more_failures_never_save_a_candidate(
    answered: int, failed: int, more: int, control: tuple[int, int], traffic: int
) -> None:
    def action(failures: int) -> str:
        seen = both(calls(answered, failures), calls(*control))
        return judge(rollout(traffic_percent=traffic), evidence(recent_calls=seen, calls=seen)).action

    if action(failed) == "roll_back":
        assert action(failed + more) == "roll_back"
