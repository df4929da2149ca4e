"""How far predicted probabilities are from observed frequencies."""

import numpy as np
from numpy.typing import NDArray


def expected_calibration_error(confidence: NDArray[np.floating], correct: NDArray[np.bool_], bins: int = 15) -> float:
    """Return the expected calibration error (Guo et al., On Calibration of Modern Neural Networks, 2017).

    Args:
        confidence: probability of the predicted class, shape [rows], 0 to 1.
        correct: whether the prediction was right, shape [rows].
        bins: number of bins of equal width.

    Returns:
        Mean absolute gap between confidence and accuracy, weighted by bin size, 0 to 1.
    """
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[index == bin_].mean() - correct[index == bin_].mean()) * (index == bin_).mean()
        for bin_ in range(bins)
        if (index == bin_).any()
    ]
    return float(sum(gaps))
