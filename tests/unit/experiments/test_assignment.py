"""Assignment: uniform, monotone, independent between experiments, and in the planned proportion."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from serving.experiments import Assignment, Experiment, assign
from serving.experiments.assignment import position

IMPROBABLE = 1e-9
"""Hypothesis tries many seeds, and must not find one that is only unlucky."""

units = st.text(min_size=1, max_size=40)
seeds = st.integers(0, 2**64)


def canary(percent: int, most: int = 50, id_: str = "e1") -> Experiment:
    return Experiment(id_, "canary", "stable", "v2", percent, most)


@given(seeds)
def test_users_are_spread_evenly_over_the_circle(seed: int) -> None:
    cells = Counter(int(position(f"e{seed}", f"user-{number}") / 5) for number in range(4000))
    assert stats.chisquare([cells[cell] for cell in range(20)]).pvalue > IMPROBABLE


@given(seeds)
def test_the_place_in_one_experiment_says_nothing_about_that_in_another(seed: int) -> None:
    users = range(4000)
    table = Counter(
        (int(position(f"a{seed}", str(user)) / 25), int(position(f"b{seed}", str(user)) / 25)) for user in users
    )
    cells = [[table[row, column] for column in range(4)] for row in range(4)]
    assert stats.chi2_contingency(cells).pvalue > IMPROBABLE


@given(units, st.integers(1, 99), st.lists(st.integers(0, 99), min_size=2, max_size=10))
def test_growing_traffic_only_enrols_users_and_never_moves_one(unit: str, most: int, percents: list[int]) -> None:
    before: Assignment | None = None
    for percent in sorted(min(percent, most) for percent in percents):
        now = assign(canary(percent, most), unit)
        if before is not None and before.enrolled:
            assert now == before
        before = now


@given(seeds, st.integers(1, 99), st.data())
def test_canary_and_control_are_enrolled_in_the_planned_proportion(seed: int, most: int, data: st.DataObject) -> None:
    percent = data.draw(st.integers(1, most))
    assigned = [assign(canary(percent, most, f"e{seed}"), str(user)) for user in range(3000)]
    enrolled = [one for one in assigned if one.enrolled]
    treated = sum(one.variant == "v2" for one in enrolled)
    assert {round(one.propensity, 9) for one in enrolled} <= {round(most / 100, 9), round(1 - most / 100, 9)}
    if enrolled:
        assert stats.binomtest(treated, len(enrolled), most / 100).pvalue > IMPROBABLE
    assert stats.binomtest(treated, len(assigned), percent / 100).pvalue > IMPROBABLE


@given(st.integers(1, 99))
def test_at_the_greatest_share_everybody_is_enrolled(most: int) -> None:
    assert all(assign(canary(most, most), str(user)).enrolled for user in range(500))


@given(units)
def test_without_traffic_nobody_is_enrolled(unit: str) -> None:
    assert assign(canary(0), unit) == Assignment("stable", False, 1.0)


def test_places_never_change_between_releases() -> None:
    """Else an upgrade of the API would reshuffle the users of every experiment under way."""
    assert [round(position("sentiment-1", unit), 6) for unit in ("196", "visitor-a", "é\ud800")] == PLACES


PLACES = [72.274332, 0.281633, 91.823031]
