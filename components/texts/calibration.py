"""Fit what turns the logits of a model's parts into calibrated probabilities, on validation texts."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold

from components.statistics.classification import f1_per_class

Logits = Mapping[str, NDArray[np.floating]]
"""Part of the model (``encoder``, ``linear``) to its logits, shape [texts, labels]."""

INVERSE_REGULARISATION = 0.3
FOLDS, REPEATS = 5, 3
SHIFTS = np.arange(0, 1.55, 0.1)
TOLERATED_LOSS = 0.005
"""Macro-F1 that a smaller shift may cost, for it keeps the probabilities closer to the observed frequencies."""


class Calibration(BaseModel):
    """Matrices and bias, as ``serving.scorers.text.TextSettings`` has them."""

    weights: dict[str, list[list[float]]]
    bias: list[float]
    shift: float = 0.0
    """How far rare classes were preferred; 0 leaves the probabilities as observed, 1 treats all classes as equal."""
    macro_f1: float = float("nan")
    """Of exclusive classes, on validation texts that the fit did not see (cross-validated)."""


def calibrate_exclusive(logits: Logits, truth: NDArray[np.integer], seed: int) -> Calibration:
    """Fit matrix scaling of exclusive classes (Guo et al., 2017), and prefer rare classes as far as macro-F1 gains.

    The preference adds ``-shift * log(prior)`` to each class's logit (Menon et al., Long-tail Learning via Logit
    Adjustment, 2021). It is part of the probabilities, so that the most probable class is the one to choose. Of the
    shifts that come close to the best cross-validated macro-F1, the smallest is taken.

    Args:
        logits: of each part.
        truth: class numbers, shape [texts]; each class occurs at least twice.
        seed: of the folds.
    """
    features = np.concatenate(list(logits.values()), axis=1)
    classes = int(truth.max()) + 1
    log_prior = np.log(np.bincount(truth, minlength=classes) / len(truth))
    held_out = _cross_validated(features, truth, seed)
    macro_f1 = [
        np.mean([f1_per_class(truth, (fold - shift * log_prior).argmax(1), classes).mean() for fold in held_out])
        for shift in SHIFTS
    ]
    chosen = int(np.flatnonzero(np.array(macro_f1) >= max(macro_f1) - TOLERATED_LOSS)[0])
    model = _regression().fit(features, truth)
    per_part = np.split(model.coef_.T, len(logits))
    return Calibration(
        weights={name: matrix.tolist() for name, matrix in zip(logits, per_part, strict=True)},
        bias=(model.intercept_ - SHIFTS[chosen] * log_prior).tolist(),
        shift=float(SHIFTS[chosen]),
        macro_f1=float(macro_f1[chosen]),
    )


def calibrate_independent(logits: Logits, truth: NDArray[np.floating]) -> Calibration:
    """Fit each label on its own: a weight for each part and a bias (Platt, 1999).

    Args:
        logits: of each part.
        truth: 0, 1 or NaN (not judged), shape [texts, labels]. A label without both verdicts keeps the mean of the
            parts' logits.
    """
    labels = truth.shape[1]
    weights = {name: np.eye(labels) / len(logits) for name in logits}
    bias = np.zeros(labels)
    for label in range(labels):
        judged = ~np.isnan(truth[:, label])
        verdicts = truth[judged, label].astype(int)
        if len(set(verdicts.tolist())) < 2:
            continue
        features = np.stack([part[judged, label] for part in logits.values()], axis=1)
        model = _regression().fit(features, verdicts)
        for name, weight in zip(logits, model.coef_[0], strict=True):
            # A part that speaks against a label where it should speak for it is noise.
            weights[name][label, label] = max(weight, 0.0)
        bias[label] = model.intercept_[0]
    return Calibration(weights={name: matrix.tolist() for name, matrix in weights.items()}, bias=bias.tolist())


def _regression() -> LogisticRegression:
    return LogisticRegression(C=INVERSE_REGULARISATION, max_iter=1000)


def _cross_validated(
    features: NDArray[np.floating], truth: NDArray[np.integer], seed: int
) -> list[NDArray[np.floating]]:
    """Return the log-probabilities of held-out texts, shape [texts, classes], once per repetition."""
    folds = min(FOLDS, int(np.bincount(truth).min()))
    splitter = RepeatedStratifiedKFold(n_splits=folds, n_repeats=REPEATS, random_state=seed)
    held_out: list[NDArray[np.floating]] = [np.empty((len(truth), int(truth.max()) + 1)) for _ in range(REPEATS)]
    for number, (fitted, tested) in enumerate(splitter.split(features, truth)):
        model = _regression().fit(features[fitted], truth[fitted])
        held_out[number // folds][tested] = model.predict_log_proba(features[tested])
    return held_out
