from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import dirichlet_multinomial, multinomial

from serving.statistics import sample_ratio_p_value
from serving.statistics.sample_ratio import CONCENTRATION

SHARES = st.floats(0.01, 0.99).map(lambda share: (share, 1 - share))


@given(counts=st.tuples(st.integers(0, 5000), st.integers(0, 5000)), shares=SHARES)
@settings(deadline=None)
def test_it_is_the_bayes_factor_of_a_dirichlet_prior(counts: tuple[int, int], shares: tuple[float, float]) -> None:
    total = sum(counts)
    prior = CONCENTRATION * np.array(shares)
    factor = dirichlet_multinomial.logpmf(counts, prior, total) - multinomial.logpmf(counts, total, shares)
    assert log(max(sample_ratio_p_value(counts, shares), 1e-300)) == pytest.approx(
        max(min(0.0, -factor), log(1e-300)), abs=1e-6, rel=1e-6
    )


@given(counts=st.tuples(st.integers(0, 5000), st.integers(0, 5000)), shares=SHARES)
@settings(deadline=None)
def test_the_evidence_cannot_be_expected_to_grow(counts: tuple[int, int], shares: tuple[float, float]) -> None:
    def evidence(first: int, second: int) -> float:
        total = first + second
        return float(
            dirichlet_multinomial.logpmf((first, second), CONCENTRATION * np.array(shares), total)
            - multinomial.logpmf((first, second), total, shares)
        )

    first, second = counts
    now = evidence(first, second)
    expected = shares[0] * exp(evidence(first + 1, second) - now) + shares[1] * exp(evidence(first, second + 1) - now)
    assert expected == pytest.approx(1, abs=1e-6)


def test_the_right_ratio_is_left_alone_and_a_wrong_one_is_found() -> None:
    assert sample_ratio_p_value((0, 0), (0.5, 0.5)) == 1
    assert sample_ratio_p_value((1000, 1000), (0.5, 0.5)) == 1
    assert sample_ratio_p_value((1000, 9000), (0.1, 0.9)) == 1
    assert sample_ratio_p_value((1040, 960), (0.5, 0.5)) > 0.1
    assert sample_ratio_p_value((1200, 1000), (0.5, 0.5)) < 0.001
    assert sample_ratio_p_value((1300, 8700), (0.1, 0.9)) < 0.001


def test_false_alarms_are_rarer_than_agreed_however_long_one_looks() -> None:
    random = np.random.default_rng(10)
    alarms = 0
    for _ in range(300):
        canary = np.cumsum(random.random(1000) < 0.3)
        alarms += any(
            sample_ratio_p_value((int(canary[at]), at + 1 - int(canary[at])), (0.3, 0.7)) <= 0.1 for at in range(1000)
        )
    assert alarms / 300 <= 0.1
