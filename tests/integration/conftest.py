"""Tiny artifacts of the real formats, for tests that serve models without training them."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mediareview.artifact import Manifest, save_manifest
from serving.scorers.linear import LinearText, Ngrams

LABELS = {"sentiment": ["negative", "neutral", "positive"], "moderation": ["spam", "abusive", "inappropriate"]}


@pytest.fixture(scope="session")
def text_artifact(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that writes a linear text model, to which ``good`` is positive and ``dull`` negative."""
    root = tmp_path_factory.mktemp("artifacts")
    numbers = itertools.count()

    def write(name: str, version: str = "1") -> Path:
        directory = root / f"artifact-{next(numbers)}"
        directory.mkdir()
        coefficients = np.array([[-3.0, 3.0], [0.0, 0.0], [3.0, -3.0]], dtype=np.float32)
        LinearText(
            ngrams=(Ngrams("word", 1, 1),),
            vocabularies=[{"good": 0, "dull": 1}],
            idf=[np.ones(2, np.float32)],
            coefficients=coefficients,
            intercepts=np.zeros(3, np.float32),
        ).save(directory / "model.npz")
        settings = {"labels": LABELS[name]}
        save_manifest(directory, Manifest(name=name, variety="tfidf-logistic", version=version, settings=settings))
        return directory

    return write
