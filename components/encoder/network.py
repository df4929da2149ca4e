"""The network: a pre-trained encoder, mean pooling, and a linear head."""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModel


class TextEncoder(nn.Module):
    """Maps token ids to one logit per label.

    Args:
        directory: Hugging Face-style encoder directory.
        labels: number of labels.
        frozen_layers: how many layers, from the embeddings up, keep their pre-trained weights. 0 trains everything.
        dropout: before the head.
    """

    def __init__(self, directory: Path, labels: int, frozen_layers: int = 0, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(directory, attn_implementation="sdpa", add_pooling_layer=False)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.encoder.config.hidden_size, labels)
        if frozen_layers:
            for part in (self.encoder.embeddings, *self.encoder.encoder.layer[:frozen_layers]):
                part.requires_grad_(False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return logits, shape [texts, labels], from ids and mask, shape [texts, tokens]."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        logits: Tensor = self.head(self.dropout(mean))
        return logits

    def parameter_groups(self, learning_rate: float, layer_decay: float) -> list[dict[str, object]]:
        """Return optimizer groups: the head learns ten times faster, each lower layer slower by ``layer_decay``."""
        layers = [self.encoder.embeddings, *self.encoder.encoder.layer]
        groups: list[dict[str, object]] = [{"params": list(self.head.parameters()), "lr": learning_rate * 10}]
        for depth, layer in enumerate(reversed(layers)):
            parameters = [parameter for parameter in layer.parameters() if parameter.requires_grad]
            if parameters:
                groups.append({"params": parameters, "lr": learning_rate * layer_decay**depth})
        return groups


def masked_targets_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy over judged labels; NaN targets count for nothing. Shapes [texts, labels]."""
    judged = ~torch.isnan(targets)
    loss = nn.functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(targets), reduction="none")
    return (loss * judged).sum() / judged.sum().clamp(min=1)
