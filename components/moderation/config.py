"""The typed configuration of the moderation training."""

from pydantic import BaseModel, ConfigDict, Field

from components.encoder.config import EncoderConfig
from mediareview.errors import MediaReviewError


class Config(BaseModel):
    """Parameters of a training run; a run's results depend on these, the lake versions and the code."""

    model_config = ConfigDict(extra="forbid")

    seed: int = 42
    test_share: float = Field(default=0.2, gt=0, lt=1)
    """Of sources without a published split."""
    validation_share: float = Field(default=0.12, gt=0, lt=1)
    block_precision: float = Field(default=0.95, gt=0, le=1)
    """Share of blocked texts that must really break the rule, on validation texts judged by people, with 80 %
    confidence; a category that does not reach it never blocks."""
    review_precision: float = Field(default=0.70, gt=0, le=1)
    """The same for texts sent to a moderator; where it cannot be proven, the calibrated probability must reach it."""
    max_texts: int | None = Field(default=3500, ge=50)
    """Sample a source without a published split if it has more texts; None takes all."""
    max_held_out_texts: int | None = Field(default=300, ge=50)
    """Sample its validation and its test texts if there are more; None takes all."""
    max_published_texts: int | None = Field(default=None, ge=50)
    """Sample each published part if it has more texts; None takes it whole, as is needed to compare."""
    max_long_texts: int = Field(default=500, ge=1)
    """Training texts of over 60 words, per source, that the encoder reads; the linear part reads them all."""
    max_variant_texts: int = Field(default=100, ge=10)
    """Test texts, per source, that are scored in each disguise."""
    train_reviews: int = Field(default=800, ge=0)
    """Film reviews that show what breaks no rule."""
    test_reviews: int = Field(default=400, ge=0)
    template_texts: int = Field(default=12, ge=1)
    """Texts made from each template."""
    augmented_share: float = Field(default=0.2, ge=0, le=1)
    """Share of the shorter training texts of which a disguised copy is added."""
    encoder: EncoderConfig = EncoderConfig(epochs=2, frozen_layers=4, learning_rate=2e-4, max_train_tokens=48)
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
                max_texts=1200,
                max_held_out_texts=120,
                max_published_texts=900,
                max_long_texts=100,
                max_variant_texts=30,
                train_reviews=300,
                test_reviews=150,
                bootstrap_repetitions=200,
                encoder=EncoderConfig(epochs=1, frozen_layers=4, learning_rate=3e-4, max_train_tokens=32),
            )
        if name == "full":
            return cls(
                max_texts=None,
                max_held_out_texts=None,
                max_long_texts=2000,
                max_variant_texts=600,
                train_reviews=3000,
                test_reviews=1500,
                template_texts=20,
                augmented_share=0.5,
                bootstrap_repetitions=1000,
                encoder=EncoderConfig(epochs=3, encoder_dropout=0.1, learning_rate=8e-5, max_train_tokens=96),
            )
        raise MediaReviewError(f"There is no profile {name!r}.", "Choose one of: quick, demo, full.")
