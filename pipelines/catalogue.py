"""Which pipelines there are, without importing Kubeflow."""

from components.training.models import TRAINABLE
from mediareview.errors import MediaReviewError

PIPELINE_NAMES = tuple(f"train-{model}" for model in TRAINABLE)
"""Names of the pipelines, in the order in which ``up`` runs them."""

STEPS = ("pin", "load", "preprocess", "train", "evaluate", "gate", "register", "deploy")


def check_name(name: str) -> str:
    """Return the name.

    Raises:
        MediaReviewError: there is no pipeline of that name.
    """
    if name not in PIPELINE_NAMES:
        raise MediaReviewError(f"There is no pipeline {name!r}.", f"Choose one of: {', '.join(PIPELINE_NAMES)}.")
    return name
