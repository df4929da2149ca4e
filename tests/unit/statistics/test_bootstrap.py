import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.statistics import bootstrap_interval, expected_calibration_error, mean_interval


def test_the_interval_of_a_mean_covers_it_and_narrows_with_more_rows():
    random = np.random.default_rng(0)
    few, many = random.normal(5, 1, 50), random.normal(5, 1, 5000)
    low, high = mean_interval(few, seed=1)
    assert low < few.mean() < high
    narrow = mean_interval(many, seed=1)
    assert narrow[1] - narrow[0] < (high - low) / 3


def test_both_bootstraps_agree_and_repeat_themselves():
    values = np.random.default_rng(0).exponential(size=300)
    low, high = bootstrap_interval(lambda rows: float(values[rows].mean()), len(values), seed=3, repetitions=2000)
    other_low, other_high = mean_interval(values, seed=4, repetitions=2000)
    assert abs(low - other_low) < 0.02
    assert abs(high - other_high) < 0.02
    again = bootstrap_interval(lambda rows: float(values[rows].mean()), len(values), seed=3, repetitions=2000)
    assert again == (low, high)


def test_resamples_without_a_value_are_left_out():
    low, high = bootstrap_interval(lambda rows: float("nan") if rows[0] else 1.0, 2, seed=0)
    assert (low, high) == (1.0, 1.0)
    assert np.isnan(bootstrap_interval(lambda rows: float("nan"), 2, seed=0)).all()


def test_confidence_that_matches_the_frequencies_has_no_calibration_error():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1, 100_000)
    correct = random.random(100_000) < confidence
    assert expected_calibration_error(confidence, correct) < 0.01
    assert expected_calibration_error(np.ones(1000), np.arange(1000) % 4 > 0) == 0.25


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_a_calibration_error_lies_between_none_and_one(rows):
    confidence, correct = (np.array(column) for column in zip(*rows, strict=True))
    assert 0 <= expected_calibration_error(confidence, correct) <= 1
