import numpy as np
import pytest
import ville
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.statistics import (
    ConfidenceSequence,
    GroupSequential,
    compare,
    difference_path,
    intervals,
    units_needed,
)

SEQUENCE = ConfidenceSequence(0.05, 200)


def test_before_the_first_look_there_is_no_interval() -> None:
    assert compare(np.ones(99), np.ones(500), 0.5, SEQUENCE) is None
    assert compare(np.empty(0), np.empty(0), 0.5, SEQUENCE) is None
    assert compare(np.ones(100), np.ones(100), 0.5, SEQUENCE) is not None


@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.1, 0.5, 0.9]))
@settings(max_examples=30, deadline=None)
def test_bounds_are_the_closest_of_all_looks(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    treatment, control = random.random(1000), random.random(1000)
    found = compare(treatment, control, share, SEQUENCE)
    assert found is not None
    looks = SEQUENCE.looks(found.units)
    low, high = intervals(difference_path(treatment, control, looks, share), SEQUENCE.critical(looks))
    assert (found.low, found.high) == (low.max(), high.min())
    assert found.low < found.high


@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(100, 999))
@settings(max_examples=30, deadline=None)
def test_later_units_never_widen_the_interval(seed: int, cut: int) -> None:
    random = np.random.default_rng(seed)
    treatment, control = random.random(1000), random.random(1000)
    early, late = compare(treatment[:cut], control[:cut], 0.5, SEQUENCE), compare(treatment, control, 0.5, SEQUENCE)
    assert early is not None
    assert late is not None
    assert late.drifts or (late.low >= early.low and late.high <= early.high)


def test_units_of_the_group_that_is_ahead_are_left_out() -> None:
    random = np.random.default_rng(5)
    treatment, control = random.random(1000), random.random(1500)
    assert compare(treatment, control, 0.5, SEQUENCE) == compare(treatment, control[:1001], 0.5, SEQUENCE)


def test_an_effect_that_turns_around_is_noticed() -> None:
    random = np.random.default_rng(6)
    treatment = np.concatenate([random.random(500) + 0.5, random.random(5000) - 0.5])
    found = compare(treatment, random.random(5500), 0.5, SEQUENCE)
    assert found is not None
    assert found.drifts
    assert found.ever_above
    assert found.ever_below
    assert found.low < found.effect < found.high


def test_an_independent_sequence_of_the_same_units_tells_the_same() -> None:
    random = np.random.default_rng(7)
    units = 6000
    treatment, control = random.normal(0.15, 1, units // 2), random.normal(0, 1, units // 2)
    outcomes = np.empty(units)
    outcomes[0::2], outcomes[1::2] = control, treatment
    theirs = ville.AsymptoticABTest(alpha=0.05, t_opt=1000, min_samples=200).fit(outcomes, np.arange(units) % 2)
    ours = compare(treatment, control, 0.5, SEQUENCE)
    assert ours is not None
    assert ours.effect == pytest.approx(theirs.estimate_[-1], abs=0.005)
    assert (ours.low > 0) == (theirs.lower_.max() > 0)
    looks = SEQUENCE.looks(units)
    low, high = intervals(difference_path(treatment, control, looks, 0.5), SEQUENCE.critical(looks))
    assert (high - low)[-1] == pytest.approx((theirs.upper_ - theirs.lower_)[-1], rel=0.03)


@pytest.mark.parametrize("boundary", [SEQUENCE, GroupSequential(0.05, 200, 20_000)])
def test_what_is_needed_for_a_narrow_interval_is_foreseen(boundary: ConfidenceSequence | GroupSequential) -> None:
    values = np.tile([0.0, 1.0], 5000)
    now = compare(values[:2000], values[:2000], 0.5, boundary)
    assert now is not None
    radius = 0.03
    needed = units_needed(now, boundary, radius)
    assert needed is not None
    then = compare(values[: needed // 2], values[: needed // 2], 0.5, boundary)
    assert then is not None
    assert then.high <= radius
    assert units_needed(now, boundary, 1e-9) is None
