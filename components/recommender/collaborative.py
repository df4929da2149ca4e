"""Closed-form and alternating collaborative models: EASE and iALS."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def ease(interactions: sp.csr_matrix, regularization: float) -> Floats:
    """Fit EASE (Steck, Embarrassingly Shallow Autoencoders for Sparse Data, 2019).

    Args:
        interactions: 1 where a user consumed a title, [n_users, n_items].
        regularization: L2 weight lambda.

    Returns:
        Item-item weights B with a zero diagonal, float32 [n_items, n_items]; scores are X B.
    """
    gram = (interactions.T @ interactions).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += regularization
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0
    return np.asarray(weights, dtype=np.float32)


def keep_strongest(weights: Floats, neighbours: int) -> tuple[Floats, NDArray[np.int32], NDArray[np.int64]]:
    """Return the largest weights of each row by magnitude, as CSR values, columns and row starts."""
    neighbours = min(neighbours, weights.shape[1])
    columns = np.sort(np.argpartition(-np.abs(weights), neighbours - 1, axis=1)[:, :neighbours], axis=1)
    values = np.take_along_axis(weights, columns, axis=1)
    starts = np.arange(len(weights) + 1, dtype=np.int64) * neighbours
    return values.ravel(), columns.ravel().astype(np.int32), starts


def ials(
    interactions: sp.csr_matrix,
    factors: int,
    regularization: float,
    unobserved_weight: float,
    iterations: int,
    seed: int,
) -> Floats:
    """Fit iALS item factors (Hu, Koren and Volinsky, 2008; scaled regularisation of Rendle et al., 2022).

    Minimises sum over observed w (1 - p q)^2 + a sum over all (p q)^2 + lambda sum (n + a N) |.|^2.

    Args:
        interactions: weights w of the observed pairs, [n_users, n_items].
        factors: number of dimensions.
        regularization: lambda.
        unobserved_weight: a.
        iterations: of both half-steps.
        seed: of the initial factors.

    Returns:
        Item factors, float32 [n_items, factors]; users are folded in when they are scored.
    """
    random = np.random.default_rng(seed)
    by_user, by_item = interactions.tocsr(), interactions.T.tocsr()
    item_factors = random.normal(0, 0.1 / np.sqrt(factors), (by_item.shape[0], factors)).astype(np.float32)
    for _ in range(iterations):
        user_factors = _half_step(by_user, item_factors, regularization, unobserved_weight)
        item_factors = _half_step(by_item, user_factors, regularization, unobserved_weight)
    return item_factors


def fold_in(
    interactions: sp.csr_matrix, item_factors: Floats, regularization: float, unobserved_weight: float
) -> Floats:
    """Return user factors for histories, float32 [n_users, n_factors]."""
    return _half_step(interactions.tocsr(), item_factors, regularization, unobserved_weight)


def _half_step(rows: sp.csr_matrix, others: Floats, regularization: float, unobserved_weight: float) -> Floats:
    """Solve every row's least-squares problem while the other side is fixed."""
    size = others.shape[1]
    gram = unobserved_weight * (others.T @ others)
    expected = unobserved_weight * len(others)
    result = np.zeros((rows.shape[0], size), np.float32)
    chunk = 4096
    for start in range(0, rows.shape[0], chunk):
        stop = min(start + chunk, rows.shape[0])
        matrices = np.empty((stop - start, size, size), np.float32)
        right = np.zeros((stop - start, size), np.float32)
        for position, row in enumerate(range(start, stop)):
            span = slice(rows.indptr[row], rows.indptr[row + 1])
            chosen, weights = others[rows.indices[span]], rows.data[span]
            matrices[position] = gram + (chosen.T * weights) @ chosen
            matrices[position][np.diag_indices(size)] += regularization * (len(weights) + expected)
            right[position] = weights @ chosen
        result[start:stop] = np.linalg.solve(matrices, right[..., None])[..., 0]
    # Someone or something without interactions has no direction.
    result[np.diff(rows.indptr) == 0] = 0
    return result
