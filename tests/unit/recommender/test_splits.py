import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.recommender.splits import cold_items, stratified_split, temporal_split


@given(st.lists(st.integers(0, 5), min_size=1, max_size=200), st.integers(0, 2**32 - 1))
def test_every_user_keeps_three_quarters_and_somebody_with_one_rating_keeps_it(users, seed):
    users = np.array(users)
    test = stratified_split(users, 0.25, seed)
    for user in np.unique(users):
        rated, held_out = (users == user).sum(), test[users == user].sum()
        expected = rated - int(0.75 * rated + 1e-9) if rated > 1 else 0
        assert held_out == expected


def test_the_split_is_the_published_procedure():
    # What python_stratified_split of Microsoft Recommenders does, written out naively.
    users = np.repeat([1, 2, 3], [8, 4, 5])
    numbers = np.random.RandomState(42).rand(len(users))
    expected = np.zeros(len(users), dtype=bool)
    for user in (1, 2, 3):
        rows = sorted(np.flatnonzero(users == user), key=lambda row: numbers[row])
        for position, row in enumerate(rows, start=1):
            expected[row] = position / len(rows) > 0.75
    np.testing.assert_array_equal(stratified_split(users, 0.25, 42), expected)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=200), st.floats(0.05, 0.9))
def test_nothing_in_the_temporal_test_part_is_older_than_what_trains(times, share):
    times = np.array(times)
    test, moment = temporal_split(times, share)
    assert times[~test].max() <= moment
    assert not test.any() or times[test].min() > moment
    assert test.mean() <= share + 1 / len(times)


def test_no_ratings_split_into_nothing():
    assert temporal_split(np.zeros(0, dtype=np.int64), 0.2)[0].shape == (0,)


def test_cold_items_are_drawn_among_titles_with_ratings():
    items = np.repeat(np.arange(40), [1, 5] * 20)
    drawn = cold_items(items, 0.5, seed=1)
    assert len(drawn) == 10
    assert (drawn % 2 == 1).all()
    np.testing.assert_array_equal(drawn, cold_items(items, 0.5, seed=1))
