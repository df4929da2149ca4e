"""Classification metrics that are quick enough to be bootstrapped."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def f1_per_class(truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int) -> NDArray[np.float64]:
    """Return the F1 score of each class, shape [classes]; 0 where a class is neither there nor predicted."""
    confusion = np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)
    return np.asarray(2 * np.diag(confusion) / np.maximum(confusion.sum(0) + confusion.sum(1), 1), dtype=np.float64)


def auc(positive: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """Return the area under the ROC curve, 0 to 1; NaN if all rows are positive, or none is.

    Args:
        positive: shape [rows].
        scores: higher means positive, shape [rows]; equal scores count half (Mann and Whitney, 1947).
    """
    hits = int(positive.sum())
    misses = len(positive) - hits
    if not hits or not misses:
        return float("nan")
    return float((rankdata(scores)[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


def auc_one_versus_rest(truth: NDArray[np.integer], scores: NDArray[np.floating]) -> float:
    """Return the mean area under the ROC curve of each class that occurs against the others.

    Args:
        truth: class numbers, shape [rows]; NaN results if they are all the same.
        scores: shape [rows, classes].
    """
    present = sorted(set(truth.tolist()))
    return float(np.mean([auc(truth == label, scores[:, label]) for label in present]))
