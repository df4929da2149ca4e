"""The VADER lexicon as a baseline: rules, nothing trained (Hutto and Gilbert, ICWSM 2014)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

NEUTRAL_BAND = 0.05
"""Compound scores up to here, either way, are neutral; the authors' own threshold."""


def lexicon_scores(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the compound score of each text, -1 to 1."""
    analyser = SentimentIntensityAnalyzer()
    return np.array([analyser.polarity_scores(text)["compound"] for text in texts], dtype=np.float64)


def lexicon_labels(compound: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the position of each label in ``LABELS``."""
    return np.where(compound >= NEUTRAL_BAND, 2, np.where(compound <= -NEUTRAL_BAND, 0, 1))
