from math import exp, log

import numpy as np
import pytest
import ville
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.statistics import failure_log_evidence

rates = st.floats(0.001, 0.9)


@given(failures=st.integers(0, 200), answered=st.integers(0, 2000), allowed=rates)
@settings(deadline=None)
def test_it_cannot_be_expected_to_grow_while_the_rate_is_allowed(failures: int, answered: int, allowed: float) -> None:
    calls = failures + answered
    now = failure_log_evidence(failures, calls, allowed)
    failed = failure_log_evidence(failures + 1, calls + 1, allowed)
    succeeded = failure_log_evidence(failures, calls + 1, allowed)
    for rate in (allowed, allowed / 2, 0.0):
        expected = rate * exp(failed - now) + (1 - rate) * exp(succeeded - now)
        assert expected <= 1 + 1e-9


def test_it_begins_without_evidence() -> None:
    assert failure_log_evidence(0, 0, 0.1) == pytest.approx(0)


@given(failures=st.integers(0, 300), answered=st.integers(0, 3000), allowed=rates)
@settings(deadline=None)
def test_a_failure_adds_evidence_and_an_answer_takes_some(failures: int, answered: int, allowed: float) -> None:
    calls = failures + answered
    now = failure_log_evidence(failures, calls, allowed)
    assert failure_log_evidence(failures + 1, calls + 1, allowed) > now - 1e-9
    assert failure_log_evidence(failures, calls + 1, allowed) < now + 1e-9
    assert failure_log_evidence(failures, calls, min(0.95, 1.5 * allowed)) < now + 1e-9


def test_a_handful_of_failures_is_enough() -> None:
    assert failure_log_evidence(5, 5, 0.02) > log(1000)
    assert failure_log_evidence(10, 40, 0.02) > log(1000)
    assert failure_log_evidence(2, 100, 0.02) < 0


def test_false_alarms_are_rarer_than_agreed_however_long_one_looks() -> None:
    random = np.random.default_rng(8)
    alarms, alpha, allowed = 0, 0.1, 0.05
    for _ in range(400):
        failures = np.cumsum(random.random(1500) < allowed)
        calls = np.arange(1, 1501)
        # Evidence only grows with a failure.
        moments = np.flatnonzero(np.diff(failures, prepend=0))
        alarms += any(failure_log_evidence(int(failures[at]), int(calls[at]), allowed) >= -log(alpha) for at in moments)
    assert alarms / 400 <= alpha


def test_an_independent_bet_finds_the_same_rates() -> None:
    for rate, found in ((0.02, False), (0.2, True)):
        calls = (np.random.default_rng(9).random(1000) < rate).astype(float)
        theirs = ville.BettingTest(0.05, alternative="greater", alpha=0.001).fit(calls)
        assert theirs.rejected_ == found
        assert (failure_log_evidence(int(calls.sum()), 1000, 0.05) >= log(1000)) == found
