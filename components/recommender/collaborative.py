"""Closed-form and alternating collaborative models: EASE, EASE on close pairs, and iALS."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float32]


SITTING_GAP_S = 300
"""A pause of more than five minutes begins another sitting."""
NEIGHBOURHOOD = 20
"""Consecutive titles of a history that are neighbours."""


def pair_counts(interactions: sp.csr_matrix) -> NDArray[np.float64]:
    """Return how many users consumed both titles of each pair, [n_items, n_items]."""
    return np.asarray((interactions.T @ interactions).toarray(), dtype=np.float64)


def close_pair_counts(
    users: NDArray[np.intp],
    items: NDArray[np.intp],
    times: NDArray[np.int64],
    ratings: NDArray[np.floating],
    n_items: int,
) -> NDArray[np.float64]:
    """Count pairs of titles by how close they are in a user's history, [n_items, n_items].

    A pair counts a quarter for the same user, and another quarter each for the same sitting, the same neighbourhood of
    twenty consecutive titles, and the same stars. Titles consumed together tell more of one another than two ends of
    a long history. Every quarter is a Gram matrix, so the sum is one.

    Args:
        users: user of each row, rows ordered by user and time, shape [rows].
        items: title of each row, 0 to n_items - 1.
        times: seconds since 1970.
        ratings: stars, NaN if unknown.
        n_items: number of titles.
    """
    if not len(users):
        return np.zeros((n_items, n_items))
    other_user = users[1:] != users[:-1]
    sitting = np.cumsum(np.r_[True, other_user | (np.diff(times) > SITTING_GAP_S)])
    starts = np.flatnonzero(np.r_[True, other_user])
    position = np.arange(len(users)) - np.repeat(starts, np.diff(np.r_[starts, len(users)]))
    stars = np.nan_to_num(ratings, nan=0.0)
    counts = np.zeros((n_items, n_items))
    for group in (np.zeros(len(users)), sitting, position // NEIGHBOURHOOD, stars):
        rows = np.unique(np.column_stack([users, group]), axis=0, return_inverse=True)[1].ravel()
        matrix = sp.csr_matrix((np.ones(len(rows)), (rows, items)), shape=(int(rows.max()) + 1, n_items))
        counts += pair_counts(matrix) / 4
    return counts


def ease(pairs: NDArray[np.float64], regularization: float) -> Floats:
    """Fit EASE (Steck, Embarrassingly Shallow Autoencoders for Sparse Data, 2019).

    Args:
        pairs: Gram matrix of the titles, [n_items, n_items]; ``pair_counts`` for EASE as published.
        regularization: L2 weight lambda.

    Returns:
        Item-item weights B with a zero diagonal, float32 [n_items, n_items]; scores are X B.
    """
    gram = pairs.copy()
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
