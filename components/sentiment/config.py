"""The typed configuration of the sentiment training."""

from pydantic import BaseModel, ConfigDict, Field

from components.encoder.config import EncoderConfig
from mediareview.errors import MediaReviewError

LABELS = ("negative", "neutral", "positive")
"""In the order of every score vector."""


class Config(BaseModel):
    """Parameters of a training run; a run's results depend on these, the lake versions and the code."""

    model_config = ConfigDict(extra="forbid")

    seed: int = 42
    benchmark_source: str = "vader-movie"
    """Source whose test texts make the headline metrics; if the lake has none of it, all sources do."""
    test_share: float = Field(default=0.2, gt=0, lt=1)
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    max_train_texts: int = Field(default=12_000, ge=50)
    """Sample the training texts of the benchmark source if there are more."""
    max_extra_texts: int = Field(default=0, ge=0)
    """Training texts from other sources that have all three labels."""
    max_slice_texts: int = Field(default=200, ge=1)
    """Test texts of each other source that are scored as a slice."""
    class_weight_power: float = Field(default=0.5, ge=0, le=1)
    """A class weighs in the loss as its inverse frequency to this power: 0 is plain, 1 is balanced."""
    encoder: EncoderConfig = EncoderConfig(epochs=2, frozen_layers=3)
    bootstrap_repetitions: int = Field(default=500, ge=10)
    threads: int = Field(default=2, ge=1)
    """CPU threads of the encoder."""

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
                max_train_texts=2500,
                max_slice_texts=100,
                bootstrap_repetitions=200,
                encoder=EncoderConfig(epochs=1, frozen_layers=4, learning_rate=2e-4),
            )
        if name == "full":
            return cls(
                max_extra_texts=5000,
                max_slice_texts=2000,
                bootstrap_repetitions=1000,
                encoder=EncoderConfig(epochs=3, encoder_dropout=0.1, learning_rate=8e-5),
            )
        raise MediaReviewError(f"There is no profile {name!r}.", "Choose one of: quick, demo, full.")
