import numpy as np
import pytest
import scipy.sparse as sp

from components.recommender.collaborative import close_pair_counts, ease, fold_in, ials, keep_strongest, pair_counts
from serving.scorers._recommender_parts import Factors, ItemItem


@pytest.fixture
def interactions():
    random = np.random.default_rng(0)
    return sp.csr_matrix((random.random((60, 12)) < 0.3).astype(np.float32))


def test_ease_columns_solve_their_ridge_regressions_without_the_title_itself(interactions):
    weights = ease(pair_counts(interactions), 5.0)
    dense = interactions.toarray().astype(np.float64)
    for item in range(12):
        others = np.delete(dense, item, axis=1)
        solution = np.linalg.solve(others.T @ others + 5 * np.eye(11), others.T @ dense[:, item])
        np.testing.assert_allclose(np.delete(weights[:, item], item), solution, atol=1e-5)
        assert weights[item, item] == 0


def test_ials_descends_its_objective(interactions):
    def objective(iterations):
        items = ials(interactions, 4, 0.05, 0.2, iterations, seed=0)
        users = fold_in(interactions, items, 0.05, 0.2)
        dense, scores = interactions.toarray(), users @ items.T
        loss = (dense * (1 - scores) ** 2).sum() + 0.2 * (scores**2).sum()
        n_users, n_items = dense.shape
        loss += 0.05 * ((dense.sum(1) + 0.2 * n_items) * (users**2).sum(1)).sum()
        return loss + 0.05 * ((dense.sum(0) + 0.2 * n_users) * (items**2).sum(1)).sum()

    values = [objective(iterations) for iterations in (1, 2, 4, 8)]
    assert values == sorted(values, reverse=True)


def test_serving_folds_a_user_in_as_training_does(interactions):
    items = ials(interactions, 4, 0.05, 0.2, 6, seed=0)
    served = Factors(items, n_rated=12, unobserved_weight=0.2, regularization=0.05)
    expected = fold_in(interactions, items, 0.05, 0.2) @ items.T
    for user in range(10):
        row = interactions[user]
        scores = served.scores(row.indices.astype(np.intp), row.data)
        np.testing.assert_allclose(scores, expected[user], atol=1e-5)


def test_contributions_of_the_history_add_up_to_the_score(interactions):
    weights = ease(pair_counts(interactions), 5.0)
    items = ials(interactions, 4, 0.05, 0.2, 6, seed=0)
    history, amounts = np.array([1, 4, 7]), np.array([1.0, 1.4, 0.6], dtype=np.float32)
    everything = np.arange(12)
    for part in (ItemItem(weights, 12), Factors(items, 12, 0.2, 0.05)):
        contributions = part.contributions(history, amounts, everything)
        np.testing.assert_allclose(contributions.sum(axis=0), part.scores(history, amounts), atol=1e-5)


def test_sparse_item_item_weights_that_keep_everything_score_as_dense_ones(interactions):
    weights = ease(pair_counts(interactions), 5.0)
    values, columns, starts = keep_strongest(weights, 12)
    history, amounts = np.array([1, 4, 7]), np.array([1.0, 1.4, 0.6], dtype=np.float32)
    dense, sparse = ItemItem(weights, 12), ItemItem(values, 12, columns, starts)
    np.testing.assert_allclose(sparse.scores(history, amounts), dense.scores(history, amounts), atol=1e-6)
    targets = np.array([0, 5, 11])
    np.testing.assert_allclose(
        sparse.contributions(history, amounts, targets), dense.contributions(history, amounts, targets), atol=1e-6
    )


def test_the_strongest_weights_are_kept():
    values, columns, starts = keep_strongest(np.array([[0.0, -3.0, 1.0], [2.0, 0.0, 0.5]], dtype=np.float32), 1)
    assert values.tolist() == [-3.0, 2.0]
    assert columns.tolist() == [1, 0]
    assert starts.tolist() == [0, 1, 2]


def test_titles_rated_in_one_sitting_with_the_same_stars_count_more_than_ones_rated_days_apart():
    counts = close_pair_counts(
        users=np.array([0, 0, 0]),
        items=np.array([0, 1, 2]),
        times=np.array([0, 60, 86_400]),
        ratings=np.array([5.0, 5.0, 2.0]),
        n_items=3,
    )
    assert counts[0, 1] == 1.0  # user, sitting, neighbourhood and stars
    assert counts[0, 2] == 0.5  # user and neighbourhood
    assert counts[0, 0] == 1.0
    np.testing.assert_array_equal(counts, counts.T)


def test_close_pairs_never_join_two_users():
    counts = close_pair_counts(np.array([0, 1]), np.array([0, 1]), np.array([5, 5]), np.array([4.0, 4.0]), 2)
    assert counts[0, 1] == 0
