import numpy as np
import pytest
import ville

from serving.statistics import ConfidenceSequence
from serving.statistics.confidence_sequence import TIGHTEST_AFTER


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("burn_in", [100, 1000])
def test_it_is_robbins_boundary_with_the_best_parameter(alpha: float, burn_in: int) -> None:
    units = np.array([burn_in, 3 * burn_in, 20 * burn_in])
    rho = ville.best_rho(TIGHTEST_AFTER * burn_in, alpha)
    expected = ville.normal_mixture(units, alpha, rho) / np.sqrt(units)
    assert ConfidenceSequence(alpha, burn_in).critical(units) == pytest.approx(expected, rel=0.015)


def test_it_agrees_with_an_independent_sequence_for_one_mean() -> None:
    values = np.random.default_rng(0).normal(2.0, 3.0, 5000)
    theirs = ville.AsymptoticCS(alpha=0.05, t_opt=5 * 200, min_samples=200).fit(values)
    units = np.arange(200, 5001)
    deviation = np.array([values[:count].std() for count in units])
    radius = ConfidenceSequence(0.05, 200).critical(units) * deviation / np.sqrt(units)
    assert radius == pytest.approx((theirs.upper_ - theirs.lower_)[199:] / 2, rel=0.02)


def test_it_is_wider_than_an_interval_for_one_look_but_not_by_much() -> None:
    critical = ConfidenceSequence(0.05, 200).critical(np.arange(200, 60 * 200))
    assert critical.min() == pytest.approx(3.035, abs=0.001)
    assert critical.max() < 1.12 * critical.min()


def test_one_looks_after_each_unit_from_the_burn_in_on() -> None:
    sequence = ConfidenceSequence(0.05, 200)
    assert sequence.looks(199).tolist() == []
    assert sequence.looks(202).tolist() == [200, 201, 202]
    assert sequence.ahead(0)[0] == 200
    assert sequence.ahead(1000)[0] == 1000
    assert sequence.ahead(1000)[-1] == 100_000


def test_it_misses_the_truth_at_any_time_less_often_than_agreed() -> None:
    random = np.random.default_rng(1)
    units = np.arange(1, 5001)
    late = units >= 100
    critical = ConfidenceSequence(0.1, 100).critical(units[late])
    missed = [
        bool(np.any(np.abs(np.cumsum(random.standard_normal(5000))[late]) > critical * np.sqrt(units[late])))
        for _ in range(2000)
    ]
    assert 0.02 < np.mean(missed) <= 0.1
