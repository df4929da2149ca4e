"""The typed configuration of the recommender's training."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mediareview.errors import MediaReviewError

Profile = Literal["quick", "demo", "full"]


class AutoencoderConfig(BaseModel):
    """How the denoising autoencoder is trained."""

    hidden: int = Field(default=256, ge=1)
    """Width of the hidden layer."""
    epochs: int = Field(default=30, ge=1)
    batch_users: int = Field(default=128, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    """Peak of the one-cycle schedule."""
    weight_decay: float = Field(default=0.3, ge=0)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Of the hidden layer."""
    max_hidden_share: float = Field(default=1.0, gt=0, le=1)
    """Up to this share of a history is hidden and must be predicted; the share is drawn per user and step."""
    members: int = Field(default=1, ge=1)
    """Networks trained with different seeds whose logits are averaged."""


class Config(BaseModel):
    """Parameters of a training run; a run's results depend on these, the lake versions and the code."""

    model_config = ConfigDict(extra="forbid")

    seed: int = 42
    max_users: int | None = Field(default=None, ge=1)
    """Train on a sample of this many users; None takes all."""
    test_share: float = Field(default=0.25, gt=0, lt=1)
    """Share of each user's ratings in the test part of the random split."""
    temporal_test_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of the newest ratings in the test part of the temporal split."""
    validation_share: float = Field(default=0.15, gt=0, lt=1)
    """Share of a training part that chooses hyper-parameters and blend."""
    cold_item_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the rated titles that are held out entirely to measure what content finds."""
    head_items: int = Field(default=6000, ge=1)
    """Titles, the most rated first, that EASE and the autoencoder know."""
    neighbours: int = Field(default=200, ge=1)
    """Item-item weights kept per title where the head is too large for a dense matrix."""
    rating_slope: float = Field(default=0.2, ge=0, le=0.4)
    """How much more a title counts per star above three, or less below."""
    ease_regularizations: list[float] = Field(default=[300.0, 500.0, 800.0], min_length=1)
    item_item_regularizations: list[float] = Field(default=[200.0, 300.0, 500.0], min_length=1)
    ials_factors: list[int] = Field(default=[32], min_length=1)
    ials_regularizations: list[float] = Field(default=[0.02, 0.03], min_length=1)
    ials_unobserved_weights: list[float] = Field(default=[0.2], min_length=1)
    ials_iterations: int = Field(default=12, ge=1)
    autoencoder: AutoencoderConfig = AutoencoderConfig()
    content_dimensions: int = Field(default=64, ge=2)
    title_embeddings: bool = False
    """Add embeddings of titles and plots by the pre-trained text encoder to the content."""
    trend_half_life_days: float = Field(default=30.0, gt=0)
    max_validation_users: int = Field(default=1000, ge=1)
    max_test_users: int = Field(default=5000, ge=1)
    """Users sampled for each evaluation where there are more."""
    bootstrap_repetitions: int = Field(default=1000, ge=10)
    threads: int = Field(default=2, ge=1)
    """CPU threads of the text encoder and the autoencoder."""

    @classmethod
    def profile(cls, name: str) -> "Config":
        """Return the defaults of a profile: ``quick`` for tests, ``demo``, or ``full`` for the best quality.

        Raises:
            MediaReviewError: there is no such profile.
        """
        if name == "demo":
            return cls()
        if name == "quick":
            return cls(
                max_users=400,
                ease_regularizations=[300.0],
                item_item_regularizations=[200.0],
                ials_factors=[16],
                ials_regularizations=[0.03],
                ials_unobserved_weights=[0.1],
                ials_iterations=6,
                autoencoder=AutoencoderConfig(hidden=128, epochs=15),
            )
        if name == "full":
            return cls(
                head_items=12_000,
                ease_regularizations=[100.0, 200.0, 350.0, 500.0, 700.0, 1000.0, 1500.0],
                item_item_regularizations=[50.0, 100.0, 150.0, 200.0, 300.0, 400.0, 600.0],
                ials_factors=[16, 32, 64],
                ials_regularizations=[0.005, 0.01, 0.02, 0.03, 0.05],
                ials_unobserved_weights=[0.03, 0.1, 0.2, 0.4],
                ials_iterations=16,
                autoencoder=AutoencoderConfig(hidden=512, epochs=60, members=4),
                title_embeddings=True,
                max_validation_users=5000,
            )
        raise MediaReviewError(f"There is no profile {name!r}.", "Choose one of: quick, demo, full.")
