"""How an encoder is fine-tuned."""

from pydantic import BaseModel, ConfigDict, Field

ENCODER = "encoder"
"""Folder of the fine-tuning among the checkpoints of a training."""


class EncoderConfig(BaseModel):
    """Parameters of the fine-tuning."""

    model_config = ConfigDict(extra="forbid")

    epochs: int = Field(default=2, ge=1)
    batch_texts: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    """Of the top layer at its peak; the head learns ten times faster."""
    layer_decay: float = Field(default=0.9, gt=0, le=1)
    """Factor by which each lower layer learns slower (Howard and Ruder, ULMFiT, 2018)."""
    warmup: float = Field(default=0.1, ge=0, le=1)
    """Share of the steps in which the learning rate rises; after it, it falls linearly to zero."""
    frozen_layers: int = Field(default=0, ge=0)
    """Layers, from the embeddings up, that are not trained; what leaves them is computed once and kept."""
    max_tokens: int = Field(default=128, ge=8, le=512)
    """What is read of a text: its beginning and its end."""
    max_train_tokens: int | None = Field(default=None, ge=8, le=512)
    """What is read in training, if that is less: long texts cost most and teach little more."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Before the head."""
    encoder_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Inside the encoder; it slows a step by a sixth and matters from the third epoch on."""
