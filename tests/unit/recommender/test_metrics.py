import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.recommender.metrics import Ranking, best, catalogue_metrics, user_metrics


def naive(top, relevant):
    hits = [item in relevant for item in top]
    gain = sum(1 / math.log2(rank + 2) for rank, hit in enumerate(hits[:10]) if hit)
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(10, len(relevant))))
    precisions = [sum(hits[: rank + 1]) / (rank + 1) for rank in range(10) if rank < len(hits) and hits[rank]]
    return {
        "ndcg@10": gain / ideal,
        "recall@10": sum(hits[:10]) / len(relevant),
        "recall@20": sum(hits) / len(relevant),
        "map@10": sum(precisions) / len(relevant),
    }


@given(st.permutations(range(30)), st.sets(st.integers(0, 29), min_size=1))
def test_metrics_are_those_written_out_naively(order, relevant):
    values = user_metrics(Ranking(np.array([order[:20]]), [frozenset(relevant)]))
    for name, expected in naive(order[:20], relevant).items():
        assert values[name][0] == pytest.approx(expected)


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=40))
def test_best_titles_come_in_the_order_of_a_full_sort(values):
    scores = np.array([values], dtype=np.float32)
    expected = np.argsort(-scores[0], kind="stable")[:20]
    found = best(scores)[0]
    np.testing.assert_array_equal(scores[0, found[found >= 0]], scores[0, expected])


def test_what_must_not_be_recommended_leaves_a_gap():
    assert best(np.array([[1.0, -np.inf, 3.0]], dtype=np.float32), 3).tolist() == [[2, 0, -1]]


def test_recommending_the_same_popular_title_to_all_covers_little_and_is_not_novel():
    counts = np.array([100.0, *[1.0] * 19])
    same = catalogue_metrics(Ranking(np.zeros((5, 1), dtype=int), [frozenset()] * 5), counts, 20)
    varied = catalogue_metrics(Ranking(np.arange(5, 10)[:, None], [frozenset()] * 5), counts, 20)
    assert same["coverage@10"] == 1 / 20
    assert same["popularity_share@10"] == 1
    assert varied["coverage@10"] == 5 / 20
    assert varied["novelty@10"] > same["novelty@10"]
