from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.off_policy import World, naive_replay, trial
from serving.off_policy import LoggedAnswer, Positions, estimates, logged_clicks, positions
from serving.off_policy.positions import NOTHING
from serving.off_policy.reward_model import click_rates

REPETITIONS = 300


@pytest.fixture(scope="module", params=[3, 4])
def trials(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    errors, covered, _ = trial(World(seed=request.param, exploration=0.2), units=800, repetitions=REPETITIONS)
    return errors, covered


def test_the_estimates_are_unbiased_where_the_naive_average_is_far_off(trials: tuple[np.ndarray, np.ndarray]) -> None:
    errors, _ = trials
    bias, noise = errors.mean(0), errors.std(0) / np.sqrt(REPETITIONS)
    # A hundredth for SNIPS and DR, which are unbiased only in the limit.
    assert (np.abs(bias[:3]) < 3.5 * noise[:3] + [0.0, 0.01, 0.01]).all()
    assert abs(bias[3]) > 0.15


def test_the_intervals_hold_the_truth_as_often_as_they_say(trials: tuple[np.ndarray, np.ndarray]) -> None:
    _, covered = trials
    noise = np.sqrt(0.95 * 0.05 / REPETITIONS)
    assert (covered.mean(0) > 0.95 - 0.015 - 3 * noise).all()


def test_a_model_and_self_normalisation_take_noise_away(trials: tuple[np.ndarray, np.ndarray]) -> None:
    errors, _ = trials
    ips, snips, dr, _ = errors.std(0)
    assert snips < 0.95 * ips
    assert dr < 0.95 * ips


def test_the_difference_to_what_was_logged_is_estimated_too() -> None:
    world = World(seed=3, exploration=0.2)
    logged = world.log(1, 4000)
    for found in estimates(logged):
        assert found.difference == pytest.approx(found.clicks_per_answer - logged_clicks(logged).clicks_per_answer)
        assert found.difference_low < found.difference < found.difference_high


clicks = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=2, max_size=30)


@given(clicks)
def test_a_candidate_that_shows_what_was_shown_is_clicked_as_often(clicked: list[list[bool]]) -> None:
    titles = ("a", "b", "c")
    answers = [
        LoggedAnswer(
            f"u{number % 7}",
            f"u{number % 7}",
            titles,
            (1.0,) * 3,
            frozenset(title for title, click in zip(titles, row, strict=True) if click),
        )
        for number, row in enumerate(clicked)
    ]
    logged = positions(answers, [titles] * len(answers))
    for found in estimates(logged):
        assert found.clicks_per_answer == pytest.approx(np.sum(clicked) / len(clicked))
        assert found.difference == pytest.approx(0, abs=1e-9)
        assert found.difference_high - found.difference_low == pytest.approx(0, abs=1e-9)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_answers_repeated_to_the_same_users_make_no_interval_narrower(seed: int) -> None:
    once = World(seed=3, exploration=0.3).log(seed, 40)
    twice = Positions(
        **{
            name: np.concatenate([getattr(once, name)] * 2)
            for name in ("unit", "place", "shown", "wanted", "propensity", "clicked")
        },
        answer=np.concatenate([once.answer, once.answer + once.n_answers]),
    )
    for first, second in list(zip(estimates(once), estimates(twice), strict=True))[:2]:
        assert (second.low, second.high) == pytest.approx((first.low, first.high))


def test_clipping_makes_estimates_smaller() -> None:
    logged = World(seed=3, exploration=0.2).log(1, 2000)
    free, clipped = estimates(logged)[0], estimates(logged, max_weight=5.0)[0]
    assert clipped.clicks_per_answer < free.clicks_per_answer
    assert clipped.high - clipped.low < free.high - free.low


def test_nobodys_clicks_are_predicted_from_themselves() -> None:
    logged = World(seed=3, exploration=0.2).log(1, 300)
    mine = logged.unit == 17
    changed = replace(logged, clicked=np.where(mine, 1 - logged.clicked, logged.clicked))
    for before, after in zip(click_rates(logged), click_rates(changed), strict=True):
        np.testing.assert_array_equal(before[mine], after[mine])
        assert not np.array_equal(before, after)
        assert ((after >= 0) & (after <= 1)).all()


def test_the_model_learns_titles_and_places() -> None:
    world = World(seed=3, exploration=0.5)
    logged = world.log(1, 6000)
    predicted, _ = click_rates(logged)
    top, bottom = logged.place == 0, logged.place == logged.place.max()
    assert predicted[top].mean() == pytest.approx(logged.clicked[top].mean(), rel=0.1)
    assert predicted[bottom].mean() < predicted[top].mean()
    assert np.corrcoef(predicted, logged.clicked)[0, 1] > 0.2


def test_places_for_which_the_candidate_has_no_title_are_worth_nothing() -> None:
    answers = [LoggedAnswer(f"u{n}", f"u{n}", ("a", "b"), (1.0, 1.0), frozenset({"a", "b"})) for n in range(60)]
    logged = positions(answers, [["a"]] * 60)
    assert (logged.wanted == NOTHING).sum() == 60
    assert [round(item.clicks_per_answer, 6) for item in estimates(logged)][:2] == [1.0, 1.0]


def test_naive_replay_counts_matches_alike() -> None:
    answers = [LoggedAnswer(f"u{n}", f"u{n}", ("a", "b"), (0.5, 0.5), frozenset({"a"})) for n in range(4)]
    assert naive_replay(positions(answers, [["a", "c"]] * 4)) == 2.0
