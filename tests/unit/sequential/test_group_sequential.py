import numpy as np
import pytest

from serving.statistics import GroupSequential, boundaries

# As published for the spending function that resembles O'Brien and Fleming's, two-sided 0.05, equal steps.
PUBLISHED = {
    1: (1.960,),
    2: (2.963, 1.969),
    3: (3.710, 2.511, 1.993),
    4: (4.333, 2.963, 2.359, 2.014),
    5: (4.877, 3.357, 2.680, 2.290, 2.031),
}


@pytest.mark.parametrize("looks", PUBLISHED)
def test_boundaries_are_the_published_ones(looks: int) -> None:
    fractions = tuple((np.arange(1, looks + 1) / looks).tolist())
    assert boundaries(fractions, 0.05) == pytest.approx(PUBLISHED[looks], abs=0.0015)


@pytest.mark.parametrize("fractions", [(0.2, 0.4, 0.6, 0.8, 1.0), (0.5, 0.6, 0.95, 1.0), (0.31, 1.0)])
@pytest.mark.parametrize("alpha", [0.01, 0.1])
def test_brownian_motion_crosses_them_as_often_as_agreed(fractions: tuple[float, ...], alpha: float) -> None:
    random = np.random.default_rng(2)
    steps = random.standard_normal((200_000, len(fractions))) * np.sqrt(np.diff((0.0, *fractions)))
    standardised = np.cumsum(steps, axis=1) / np.sqrt(fractions)
    crossed = (np.abs(standardised) > np.array(boundaries(fractions, alpha))).any(axis=1)
    assert crossed.mean() == pytest.approx(alpha, abs=4 * np.sqrt(alpha / 200_000))


def test_looks_are_fixed_beforehand_and_early_ones_with_too_few_units_are_left_out() -> None:
    sequential = GroupSequential(0.05, 250, 1001)
    assert sequential.looks(10_000).tolist() == [401, 601, 801, 1001]
    assert sequential.looks(800).tolist() == [401, 601]
    assert sequential.looks(100).tolist() == []
    assert sequential.ahead(601).tolist() == [801, 1001]


def test_each_look_has_its_own_critical_value_whenever_it_is_asked_for() -> None:
    sequential = GroupSequential(0.05, 10, 1000)
    every = sequential.critical(sequential.looks(1000))
    assert every == pytest.approx(PUBLISHED[5], abs=0.0015)
    assert sequential.critical(np.array([600])) == pytest.approx(every[2])
