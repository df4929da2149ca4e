"""Texts as token ids, and batches of texts of like length."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from components.encoder.processes import ALONE, Processes
from serving.scorers.encoder import cut_middle, load_tokenizer


def tokenize(texts: list[str], tokenizer_path: Path, max_tokens: int) -> list[Tensor]:
    """Return the token ids of normalised texts, shape [tokens] each, shortened as serving shortens them."""
    tokenizer = load_tokenizer(Tokenizer, tokenizer_path)
    return [torch.tensor(cut_middle(encoding.ids, max_tokens)) for encoding in tokenizer.encode_batch_fast(texts)]


class LengthBatches:
    """Batches of texts of like length, in an order that depends on seed and epoch only.

    Args:
        sequences: token ids, shape [tokens], or states, shape [tokens, hidden], of each text.
        targets: shape [texts] or [texts, labels].
        batch_texts: texts in a batch.
        seed: of the order.
        epoch: number of the epoch, from 0.
        processes: those that share each batch; this one gets every ``processes.count``-th text of it.
    """

    def __init__(
        self,
        sequences: Sequence[Tensor],
        targets: NDArray[np.generic],
        batch_texts: int,
        seed: int,
        epoch: int,
        processes: Processes = ALONE,
    ) -> None:
        self._sequences, self._targets, self._processes = sequences, targets, processes
        random = np.random.default_rng((seed, epoch))
        # Noise on the length mixes neighbours, so that batches differ between epochs.
        length = np.array([len(sequence) for sequence in sequences]) * random.uniform(0.9, 1.1, len(sequences))
        order = np.argsort(length, kind="stable")
        self._batches = [order[start : start + batch_texts] for start in range(0, len(order), batch_texts)]
        random.shuffle(self._batches)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield sequences, mask and targets of each batch, or of this process' share of it.

        Where a batch has fewer texts than there are processes, the others get one of its texts without a target.
        """
        for batch in self._batches:
            rows = batch[self._processes.rank :: self._processes.count]
            read = rows if len(rows) else batch[:1]
            yield *pad([self._sequences[row] for row in read]), torch.as_tensor(self._targets[rows])


def pad(sequences: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return padded sequences, shape [texts, longest, ...], and their mask, shape [texts, longest]."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    mask = torch.arange(int(lengths.max())) < lengths.unsqueeze(1)
    return pad_sequence(sequences, batch_first=True), mask.long()


def in_length_order(sequences: Sequence[Tensor], batch_texts: int = 64) -> Iterator[NDArray[np.intp]]:
    """Yield the rows of each batch, short texts first, where only the results count and not the order."""
    order = np.argsort([len(sequence) for sequence in sequences], kind="stable")
    for start in range(0, len(order), batch_texts):
        yield order[start : start + batch_texts]
