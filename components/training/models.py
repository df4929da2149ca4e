"""The models that can be trained, and where their code lives."""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from mediareview.errors import MediaReviewError
from mediareview.features import FEATURE_TABLES


@dataclass(frozen=True)
class TrainableModel:
    """A model whose package ``components.NAME`` offers the modules config, load, train, evaluate and score."""

    name: str
    tables: tuple[str, ...]
    """Lake tables the training reads; a run pins their versions."""
    fine_tunes_encoder: bool = False
    """Whether ``train`` offers ``fine_tune_encoder``, which several processes can do together."""

    @property
    def reads_features(self) -> bool:
        """Whether some of the tables are made of others, and must be brought up to date before a run pins them."""
        return "catalogue" in self.tables

    def module(self, step: str) -> ModuleType:
        """Import the module of a step, for example ``components.sentiment.train``."""
        return import_module(f"components.{self.name}.{step}")


TRAINABLE = {
    model.name: model
    for model in (
        TrainableModel("recommender", tables=("ratings", "catalogue", *FEATURE_TABLES)),
        TrainableModel("sentiment", tables=("reviews",), fine_tunes_encoder=True),
        TrainableModel("moderation", tables=("moderation", "reviews"), fine_tunes_encoder=True),
    )
}
"""Model name to model, in training order."""


def trainable(name: str) -> TrainableModel:
    """Return the model of that name.

    Raises:
        MediaReviewError: there is none.
    """
    try:
        return TRAINABLE[name]
    except KeyError:
        raise MediaReviewError(f"There is no model {name!r}.", f"Choose one of: {', '.join(TRAINABLE)}.") from None
