import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, roc_auc_score

from components.statistics.classification import auc, auc_one_versus_rest, f1_per_class

PAIRS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)
SCORED = st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.5, 0.9])), min_size=2, max_size=40)


@given(PAIRS)
def test_f1_is_that_of_scikit_learn(rows):
    truth, predicted = (np.array(column) for column in zip(*rows, strict=True))
    expected = f1_score(truth, predicted, average=None, labels=[0, 1, 2], zero_division=0)
    np.testing.assert_allclose(f1_per_class(truth, predicted, 3), expected)


@given(SCORED)
def test_auc_is_that_of_scikit_learn_ties_included(rows):
    positive, scores = (np.array(column) for column in zip(*rows, strict=True))
    if positive.all() or not positive.any():
        assert np.isnan(auc(positive, scores))
    else:
        assert auc(positive, scores) == pytest.approx(roc_auc_score(positive, scores))


def test_a_class_that_never_occurs_is_left_out_of_the_mean():
    truth = np.array([0, 0, 2, 2])
    scores = np.array([[0.9, 0, 0.1], [0.8, 0.1, 0.1], [0.1, 0.3, 0.6], [0.2, 0.1, 0.7]])
    assert auc_one_versus_rest(truth, scores) == 1.0
