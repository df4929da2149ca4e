import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from components.moderation.thresholds import BLOCK_FLOOR, MIN_FLAGGED, derive, threshold

JUDGED = st.lists(st.tuples(st.booleans(), st.sampled_from(np.linspace(0, 1, 23).tolist())), min_size=1, max_size=200)


@settings(deadline=None)
@given(JUDGED, st.floats(0.3, 1), st.floats(0, 1))
def test_a_threshold_keeps_what_it_promises_or_there_is_none(rows, precision, floor):
    truth, probability = (np.array(column) for column in zip(*rows, strict=True))
    found = threshold(truth, probability, precision, floor)
    if found is not None:
        above = probability >= found
        assert above.sum() >= MIN_FLAGGED
        assert truth[above].mean() >= precision - 0.02
        assert found >= floor


def test_the_lowest_threshold_that_keeps_the_precision_is_taken():
    probability = np.linspace(0, 1, 1001)
    truth = probability >= 0.6
    found = threshold(truth, probability, 0.95, floor=0.5)
    assert 0.57 < found < 0.6
    assert threshold(truth, probability, 0.95, floor=0.8) == 0.8


def test_a_few_lucky_hits_promise_nothing():
    probability = np.linspace(0, 1, 1000)
    truth = probability > 0.99
    assert threshold(truth, probability, 0.95, floor=0.5) is None


def test_what_people_did_not_judge_is_never_blocked():
    probability = np.linspace(0, 1, 1000)
    truth = probability > 0.5
    weak = derive(truth, probability, review_precision=0.7, block_precision=0.95, by_people=False)
    assert weak.block is None
    assert weak.review == 0.7
    human = derive(truth, probability, review_precision=0.7, block_precision=0.95, by_people=True)
    assert human.review <= human.block
    assert human.block >= BLOCK_FLOOR


def test_with_too_few_texts_a_moderator_is_asked_and_nothing_is_blocked():
    probability = np.linspace(0, 1, 12)
    few = derive(probability > 0.5, probability, review_precision=0.7, block_precision=0.95, by_people=True)
    assert (few.review, few.block) == (0.7, None)
