"""The parts of the recommender. Each scores titles for one history, in numpy.

Titles are numbered in catalogue order: the ``n_head`` most rated first, then the other rated ones, then those nobody
has rated. A part returns raw scores for the first titles of that order, as many as it knows.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]


class Part(Protocol):
    """Scores titles for a history."""

    def scores(self, items: Indices, weights: Floats) -> Floats:
        """Return raw scores, shape [n_known], for the titles ``items`` consumed with positive ``weights``."""


class ItemItem:
    """Item-item weights, of EASE or any other linear model: scores = sum over the history of w_h B[h, :].

    Args:
        values: B, float32 [n_head, n_head]; or, with ``columns`` and ``rows``, its non-zeros row by row (CSR).
        columns: column of each value.
        rows: start of each row in ``values``, shape [n_head + 1].
        n_head: number of titles the matrix knows.
    """

    def __init__(self, values: Floats, n_head: int, columns: NDArray[Any] | None = None, rows: Any = None) -> None:
        self.values, self.columns, self.rows, self.n_head = values, columns, rows, n_head

    def scores(self, items: Indices, weights: Floats) -> Floats:
        """Return scores of the head titles."""
        known = items < self.n_head
        items, weights = items[known], weights[known]
        if self.columns is None:
            return np.asarray(weights @ self.values[items], dtype=np.float32)
        if not len(items):
            return np.zeros(self.n_head, np.float32)
        spans = [slice(self.rows[item], self.rows[item + 1]) for item in items]
        columns = np.concatenate([self.columns[span] for span in spans])
        values = np.concatenate([self.values[span] * weight for span, weight in zip(spans, weights, strict=True)])
        return np.bincount(columns, weights=values, minlength=self.n_head).astype(np.float32)

    def contributions(self, items: Indices, weights: Floats, targets: Indices) -> Floats:
        """Return what each title of the history adds to the score of each target, shape [n_items, n_targets]."""
        result = np.zeros((len(items), len(targets)), np.float32)
        for row, (item, weight) in enumerate(zip(items, weights, strict=True)):
            if item >= self.n_head:
                continue
            if self.columns is None:
                inside = targets < self.n_head
                result[row, inside] = weight * self.values[item, targets[inside]]
            else:
                span = slice(self.rows[item], self.rows[item + 1])
                dense = dict(zip(self.columns[span].tolist(), self.values[span].tolist(), strict=True))
                result[row] = [weight * dense.get(target, 0.0) for target in targets.tolist()]
        return result


class Factors:
    """Implicit matrix factorisation; the user's factors are folded in from the history.

    The fold-in is the user half-step of iALS (Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback
    Datasets, 2008; regularisation after Rendle et al., Revisiting the Performance of iALS, 2022).

    Args:
        factors: item factors, float32 [n_items, n_factors]; titles beyond ``n_rated`` have factors predicted from
            their content.
        n_rated: number of titles whose factors were learned from ratings.
        unobserved_weight: weight of a pair without a rating.
        regularization: L2 weight per observed or expected interaction.
    """

    def __init__(self, factors: Floats, n_rated: int, unobserved_weight: float, regularization: float) -> None:
        self.factors, self.n_rated = factors, n_rated
        self.regularization, self.unobserved_weight = regularization, unobserved_weight
        self.gram: Floats = unobserved_weight * (factors[:n_rated].T @ factors[:n_rated])

    def _solve(self, items: Indices, weights: Floats, right: Floats) -> Floats:
        chosen = self.factors[items]
        ridge = self.regularization * (len(items) + self.unobserved_weight * self.n_rated)
        matrix = self.gram + (chosen.T * weights) @ chosen
        matrix[np.diag_indices_from(matrix)] += ridge
        return np.asarray(np.linalg.solve(matrix, right), dtype=np.float32)

    def scores(self, items: Indices, weights: Floats) -> Floats:
        """Return scores of the titles that have factors."""
        known = items < len(self.factors)
        items, weights = items[known], weights[known]
        return self.factors @ self._solve(items, weights, weights @ self.factors[items])

    def contributions(self, items: Indices, weights: Floats, targets: Indices) -> Floats:
        """Return what each title of the history adds to each target's score (Hu et al., section 5)."""
        known, wanted = items < len(self.factors), targets < len(self.factors)
        solved = self._solve(items[known], weights[known], self.factors[targets[wanted]].T)
        result = np.zeros((len(items), len(targets)), np.float32)
        result[np.ix_(known, wanted)] = weights[known, None] * (self.factors[items[known]] @ solved)
        return result


class Autoencoder:
    """One hidden layer from the history to a logit per head title: tanh(x / |x| W1 + b1) W2 + b2."""

    def __init__(self, hidden: Floats, hidden_bias: Floats, output: Floats, output_bias: Floats) -> None:
        self.hidden, self.hidden_bias, self.output, self.output_bias = hidden, hidden_bias, output, output_bias

    def scores(self, items: Indices, weights: Floats) -> Floats:
        """Return logits of the head titles."""
        known = items < len(self.hidden)
        items, weights = items[known], weights[known]
        norm = max(float(np.linalg.norm(weights)), 1e-12)
        active = np.tanh((weights / norm) @ self.hidden[items] + self.hidden_bias)
        return np.asarray(active @ self.output + self.output_bias, dtype=np.float32)


class Content:
    """Cosine similarity between the titles' content and the history's weighted mean content.

    Args:
        vectors: unit-length content vectors, float32 [n_items, n_dimensions].
    """

    def __init__(self, vectors: Floats) -> None:
        self.vectors = vectors

    def scores(self, items: Indices, weights: Floats) -> Floats:
        """Return similarities of all titles."""
        profile = weights @ self.vectors[items]
        return self.vectors @ (profile / max(float(np.linalg.norm(profile)), 1e-12)).astype(np.float32)


class Static:
    """The same scores for everyone: popularity, or its trend."""

    def __init__(self, values: Floats) -> None:
        self.values = values

    def scores(self, items: Indices, weights: Floats) -> Floats:
        """Return the scores of all titles."""
        return self.values


def load_parts(tensors: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]) -> dict[str, Part]:
    """Build the parts whose tensors the artifact holds, by name; tensors are named ``PART.TENSOR``."""
    parts: dict[str, Part] = {}
    for name in ("item_item", "ease"):
        if f"{name}.values" in tensors:
            parts[name] = ItemItem(
                tensors[f"{name}.values"],
                settings["n_head"],
                tensors.get(f"{name}.columns"),
                tensors.get(f"{name}.rows"),
            )
    if "factors.items" in tensors:
        parts["factors"] = Factors(
            tensors["factors.items"],
            settings["n_rated"],
            settings["factors"]["unobserved_weight"],
            settings["factors"]["regularization"],
        )
    if "autoencoder.hidden" in tensors:
        names = ("hidden", "hidden_bias", "output", "output_bias")
        parts["autoencoder"] = Autoencoder(*(tensors[f"autoencoder.{name}"] for name in names))
    if "content.vectors" in tensors:
        parts["content"] = Content(tensors["content.vectors"])
    for name in ("popularity", "trend"):
        if f"{name}.items" in tensors:
            parts[name] = Static(tensors[f"{name}.items"])
    return parts
