"""Texts as token ids, and batches of texts of like length."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from serving.scorers.encoder import cut_middle, load_tokenizer


def tokenize(texts: list[str], tokenizer_path: Path, max_tokens: int) -> list[list[int]]:
    """Return the token ids of normalised texts, shortened as serving shortens them."""
    tokenizer = load_tokenizer(Tokenizer, tokenizer_path)
    return [cut_middle(encoding.ids, max_tokens) for encoding in tokenizer.encode_batch_fast(texts)]


class LengthBatches:
    """Batches of texts of like length, in an order that depends on seed and epoch only.

    Args:
        tokens: token ids per text.
        targets: shape [texts] or [texts, labels].
        batch_texts: texts in a batch.
        seed: of the order.
        epoch: number of the epoch, from 0.
    """

    def __init__(
        self, tokens: list[list[int]], targets: NDArray[np.generic], batch_texts: int, seed: int, epoch: int
    ) -> None:
        self._tokens, self._targets = tokens, targets
        random = np.random.default_rng((seed, epoch))
        # Noise on the length mixes neighbours, so that batches differ between epochs.
        length = np.array([len(ids) for ids in tokens]) * random.uniform(0.9, 1.1, len(tokens))
        order = np.argsort(length, kind="stable")
        self._batches = [order[start : start + batch_texts] for start in range(0, len(order), batch_texts)]
        random.shuffle(self._batches)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield ids, mask and targets of each batch."""
        for rows in self._batches:
            yield *pad([self._tokens[row] for row in rows]), torch.as_tensor(self._targets[rows])


def pad(tokens: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Return ids and mask, shape [texts, longest]."""
    ids = torch.zeros((len(tokens), max(map(len, tokens))), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(tokens):
        ids[row, : len(sequence)] = torch.as_tensor(sequence)
        mask[row, : len(sequence)] = 1
    return ids, mask
