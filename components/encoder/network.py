"""The network: a pre-trained encoder, mean pooling, and a linear head."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor, nn
from transformers import AutoModel
from transformers.utils import logging as transformers_logging


class TextEncoder(nn.Module):
    """Maps token ids to one logit per label.

    Args:
        directory: Hugging Face-style directory of an encoder built like BERT (embeddings below a stack of layers).
        labels: number of labels.
        frozen_layers: how many layers, from the embeddings up, keep their pre-trained weights. 0 trains everything.
        dropout: before the head.
        encoder_dropout: inside the encoder.
    """

    def __init__(
        self,
        directory: Path,
        labels: int,
        frozen_layers: int = 0,
        dropout: float = 0.1,
        encoder_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        # Loading a checkpoint without its unused pooler is no news.
        transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        self.encoder = AutoModel.from_pretrained(
            directory,
            # On CPUs faster than the fused attention, which is slow with padding masks.
            attn_implementation="eager",
            add_pooling_layer=False,
            hidden_dropout_prob=encoder_dropout,
            attention_probs_dropout_prob=encoder_dropout,
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.encoder.config.hidden_size, labels)
        self.frozen_layers = frozen_layers
        if frozen_layers:
            for part in (self.encoder.embeddings, *self.encoder.encoder.layer[:frozen_layers]):
                part.requires_grad_(False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return logits, shape [texts, labels], from ids and mask, shape [texts, tokens]."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self._classified(hidden, attention_mask)

    def frozen_states(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return what leaves the frozen layers, shape [texts, tokens, hidden]; it never changes in training."""
        with self._only(slice(0, self.frozen_layers)):
            states: Tensor = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return states

    def from_frozen_states(self, states: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the logits of texts whose ``frozen_states`` are known."""
        embeddings, self.encoder.embeddings = self.encoder.embeddings, _PassThrough()
        try:
            with self._only(slice(self.frozen_layers, None)):
                hidden = self.encoder(inputs_embeds=states, attention_mask=attention_mask).last_hidden_state
        finally:
            self.encoder.embeddings = embeddings
        return self._classified(hidden, attention_mask)

    def parameter_groups(self, learning_rate: float, layer_decay: float) -> list[dict[str, object]]:
        """Return optimizer groups: the head learns ten times faster, each lower layer slower by ``layer_decay``."""
        layers = [self.encoder.embeddings, *self.encoder.encoder.layer]
        groups: list[dict[str, object]] = [{"params": list(self.head.parameters()), "lr": learning_rate * 10}]
        for depth, layer in enumerate(reversed(layers)):
            parameters = [parameter for parameter in layer.parameters() if parameter.requires_grad]
            if parameters:
                groups.append({"params": parameters, "lr": learning_rate * layer_decay**depth})
        return groups

    def _classified(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        logits: Tensor = self.head(self.dropout(mean))
        return logits

    @contextmanager
    def _only(self, layers: slice) -> Iterator[None]:
        stack = self.encoder.encoder
        everything, stack.layer = stack.layer, stack.layer[layers]
        try:
            yield
        finally:
            stack.layer = everything


class _PassThrough(nn.Module):
    """Stands for the embeddings where what follows them is given."""

    def forward(self, inputs_embeds: Tensor, **_: object) -> Tensor:
        return inputs_embeds
