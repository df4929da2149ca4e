from dataclasses import replace

import numpy as np
import pytest

from benchmarks.off_policy import POOL, World
from mediareview.errors import MediaReviewError
from serving.off_policy import Positions, diagnose, refuse_if_unreliable


def refusal(logged: Positions, max_weight: float | None = None) -> str:
    with pytest.raises(MediaReviewError) as caught:
        refuse_if_unreliable(diagnose(logged, max_weight))
    return str(caught.value)


@pytest.fixture
def logged() -> Positions:
    return World(seed=3, exploration=0.2).log(1, 2000)


def test_enough_exploration_is_accepted(logged: Positions) -> None:
    found = diagnose(logged)
    refuse_if_unreliable(found)
    assert found.overlap == pytest.approx(1, abs=0.1)
    assert found.max_weight == pytest.approx(POOL / 0.2)
    assert found.clicks <= found.matched <= found.positions == len(logged.answer)
    assert found.effective_clicks < found.effective_sample < found.matched
    assert found.clipped_share == 0


def test_answers_in_a_fixed_order_tell_nothing(logged: Positions) -> None:
    fixed = replace(logged, propensity=np.ones_like(logged.propensity))
    assert "not randomised" in refusal(fixed)
    assert "MEDIAREVIEW_EXPLORATION_SHARE" in refusal(fixed)


def test_few_answers_are_refused() -> None:
    assert "too few" in refusal(World(seed=3, exploration=0.2).log(1, 40))


def test_a_candidate_that_wants_what_was_never_shown_is_refused(logged: Positions) -> None:
    foreign = replace(logged, wanted=np.where(logged.place < 2, logged.wanted, logged.wanted + 1000))
    found = diagnose(foreign)
    assert found.overlap == pytest.approx(0.4, abs=0.1)
    assert "could have been shown" in refusal(foreign)


def test_rare_exploration_is_refused_for_its_small_effective_sample() -> None:
    scarce = World(seed=3, exploration=0.02).log(1, 1000)
    assert "are worth only" in refusal(scarce)


def test_clipping_is_reported_and_does_not_hide_the_greatest_weight(logged: Positions) -> None:
    free, clipped = diagnose(logged), diagnose(logged, max_weight=5.0)
    assert clipped.clipped_share > 0
    assert clipped.max_weight == free.max_weight
    assert clipped.overlap == free.overlap
    assert clipped.effective_sample > free.effective_sample


def test_nothing_logged_is_refused() -> None:
    empty = Positions(*(np.zeros(0, np.int64) for _ in range(5)), *(np.zeros(0) for _ in range(2)))
    assert "0 answers to 0 users" in refusal(empty)
