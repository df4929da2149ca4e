"""A transformer encoder in ONNX with its tokenizer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH_TOKENS = 4096
"""Most tokens, padding included, in one call of the encoder."""


class OnnxEncoder:
    """Computes logits from texts with ONNX Runtime and a Hugging Face tokenizer.

    Args:
        directory: holds ``model.onnx`` and ``tokenizer.json``.
        max_tokens: longer texts keep their first three quarters and their last quarter of so many tokens.
        threads: CPU threads of a call.
    """

    def __init__(self, directory: Path, max_tokens: int, threads: int) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(directory / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = load_tokenizer(Tokenizer, directory / "tokenizer.json")
        self._max_tokens = max_tokens

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the logits of normalised texts, shape [texts, labels].

        Texts are grouped by length, so that a short text does not pay for a long one.
        """
        tokens = [
            cut_middle(encoding.ids, self._max_tokens) for encoding in self._tokenizer.encode_batch_fast(list(texts))
        ]
        order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
        results: dict[int, NDArray[np.float32]] = {}
        batch: list[int] = []
        for row in order:
            if batch and (len(batch) + 1) * len(tokens[row]) > BATCH_TOKENS:
                results.update(self._run(batch, tokens))
                batch = []
            batch.append(row)
        if batch:
            results.update(self._run(batch, tokens))
        return np.stack([results[row] for row in range(len(tokens))])

    def _run(self, rows: list[int], tokens: list[list[int]]) -> dict[int, NDArray[np.float32]]:
        length = max(len(tokens[row]) for row in rows)
        ids = np.zeros((len(rows), length), dtype=np.int64)
        mask = np.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(tokens[row])] = tokens[row]
            mask[place, : len(tokens[row])] = 1
        (logits,) = self._session.run(["logits"], {"input_ids": ids, "attention_mask": mask})
        return dict(zip(rows, logits, strict=True))


def load_tokenizer(tokenizer_class: Any, path: Path) -> Any:
    """Return a tokenizer that neither pads nor truncates; both are done here, alike in training and serving."""
    tokenizer = tokenizer_class.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def cut_middle(ids: list[int], max_tokens: int) -> list[int]:
    """Shorten a token sequence to its beginning and its end: people open with the matter and close with the verdict."""
    if len(ids) <= max_tokens:
        return ids
    head = max_tokens * 3 // 4
    return ids[:head] + ids[len(ids) - (max_tokens - head) :]
