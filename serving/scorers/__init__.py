"""Scorers: what serves a model from its artifact, with numpy and ONNX Runtime alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediareview.artifact import load_manifest
from mediareview.errors import MediaReviewError

if TYPE_CHECKING:
    from serving.scorers.recommender import Recommender
    from serving.scorers.text import TextClassifier

__all__ = ["load_scorer"]


def load_scorer(directory: Path, **options: Any) -> "Recommender | TextClassifier":
    """Load the scorer of an artifact: its manifest says which one.

    Args:
        directory: the artifact.
        **options: of the scorer, for example ``threads`` of a ``TextClassifier``.

    Raises:
        MediaReviewError: the directory is no artifact, or of a model that is not known here.
    """
    name = load_manifest(directory).name
    if name == "recommender":
        from serving.scorers.recommender import Recommender

        return Recommender.load(directory)
    if name in ("sentiment", "moderation"):
        from serving.scorers.text import TextClassifier

        return TextClassifier.load(directory, **options)
    raise MediaReviewError(f"{directory} holds a model named {name!r}, which no scorer knows.", "Update the platform.")
