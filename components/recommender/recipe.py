"""What training chooses on validation data: hyper-parameters and the blend. A recipe and ratings give a model."""

from typing import Literal

from pydantic import BaseModel, Field

from components.recommender.config import AutoencoderConfig, Config

PartName = Literal["ease", "item_item", "factors", "autoencoder", "content", "popularity", "trend"]
BASELINES: dict[str, PartName] = {"popularity": "popularity", "ease": "ease", "ials": "factors"}
"""Baseline to the one part it consists of."""
FEW = 11
"""Histories shorter than this are blended by weights of their own."""


class Bucket(BaseModel):
    """Weights of the parts' standardised scores for histories of at least ``min_history`` titles."""

    min_history: int = Field(ge=0)
    weights: dict[PartName, float]


class Recipe(BaseModel):
    """Hyper-parameters and blend. It travels in the artifact, so that the model can be trained again."""

    seed: int
    head_items: int
    neighbours: int
    rating_slope: float
    ease_regularization: float
    item_item_regularization: float
    ials_factors: int
    ials_regularization: float
    ials_unobserved_weight: float
    ials_iterations: int
    autoencoder: AutoencoderConfig
    trend_half_life_days: float
    blend: list[Bucket]
    unrated_penalty: float = Field(default=0.0, ge=0)
    """Taken from the score of titles nobody has rated, in standard deviations of a part's scores."""
    content_predicts_factors: bool = True
    """Whether titles nobody has rated get factors predicted from their content."""

    @classmethod
    def initial(cls, config: Config) -> "Recipe":
        """Return a recipe with the middle of every grid and equal weights."""

        def middle(values: list[float]) -> float:
            return sorted(values)[len(values) // 2]

        return cls(
            seed=config.seed,
            head_items=config.head_items,
            neighbours=config.neighbours,
            rating_slope=config.rating_slope,
            ease_regularization=middle(config.ease_regularizations),
            item_item_regularization=middle(config.item_item_regularizations),
            ials_factors=sorted(config.ials_factors)[len(config.ials_factors) // 2],
            ials_regularization=middle(config.ials_regularizations),
            ials_unobserved_weight=middle(config.ials_unobserved_weights),
            ials_iterations=config.ials_iterations,
            autoencoder=config.autoencoder,
            trend_half_life_days=config.trend_half_life_days,
            blend=[
                Bucket(min_history=0, weights={"popularity": 0.5, "trend": 0.5}),
                Bucket(min_history=1, weights={"item_item": 1, "factors": 1, "autoencoder": 1, "content": 0.2}),
            ],
        )

    def baseline(self, name: str) -> "Recipe":
        """Return the recipe of a baseline: the one part, popularity without a history, no content."""
        blend = [
            Bucket(min_history=0, weights={"popularity": 1.0}),
            Bucket(min_history=1, weights={BASELINES[name]: 1.0}),
        ]
        return self.model_copy(update={"blend": blend, "unrated_penalty": 0.0, "content_predicts_factors": False})

    @property
    def parts(self) -> set[PartName]:
        """Parts that some bucket weighs."""
        return {name for bucket in self.blend for name, weight in bucket.weights.items() if weight}
