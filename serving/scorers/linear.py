"""A linear model over TF-IDF n-grams: a vocabulary, weights, and nothing else."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mediareview.text import char_ngrams, word_ngrams


@dataclass(frozen=True)
class Ngrams:
    """A kind of n-gram: ``low`` to ``high`` words, or characters inside words."""

    unit: Literal["word", "char"]
    low: int
    high: int

    def count(self, text: str) -> Counter[str]:
        """Count the n-grams of a text."""
        return Counter((word_ngrams if self.unit == "word" else char_ngrams)(text, self.low, self.high))


@dataclass
class LinearText:
    """Logistic regression over TF-IDF features; each kind of n-gram is a block, L2-normalised on its own."""

    ngrams: tuple[Ngrams, ...]
    vocabularies: list[dict[str, int]]
    idf: list[NDArray[np.float32]]
    coefficients: NDArray[np.float32]
    """Shape [labels, features], blocks side by side."""
    intercepts: NDArray[np.float32]
    """Shape [labels]."""

    def __post_init__(self) -> None:
        # One row per feature: scoring gathers a few rows instead of striding over all columns.
        self._weights = np.ascontiguousarray(self.coefficients.T)

    def _features(self, text: str) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Return columns and values of a text's non-zero features."""
        columns: list[NDArray[np.intp]] = []
        values: list[NDArray[np.float32]] = []
        offset = 0
        for kind, vocabulary, idf in zip(self.ngrams, self.vocabularies, self.idf, strict=True):
            counts = {vocabulary[gram]: count for gram, count in kind.count(text).items() if gram in vocabulary}
            index = np.fromiter(counts, dtype=np.intp, count=len(counts))
            frequency = np.fromiter(counts.values(), dtype=np.float32, count=len(counts))
            weight = (1 + np.log(frequency)) * idf[index]
            columns.append(index + offset)
            values.append(weight / (np.linalg.norm(weight) or 1))
            offset += len(idf)
        return np.concatenate(columns), np.concatenate(values)

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the logits of normalised texts, shape [texts, labels]."""
        rows = np.empty((len(texts), len(self.intercepts)), dtype=np.float32)
        for row, text in enumerate(texts):
            columns, values = self._features(text)
            rows[row] = values @ self._weights[columns] + self.intercepts
        return rows

    def evidence(self, text: str, label: int, most: int = 3) -> list[str]:
        """Return the words of a normalised text that speak most for a label, strongest first."""
        words = {word: word for word in text.split()}
        contribution = {word: self.logits([word])[0, label] - self.intercepts[label] for word in words}
        strongest = sorted(contribution, key=lambda word: -contribution[word])[:most]
        return [word for word in strongest if contribution[word] > 0]

    def save(self, path: Path) -> None:
        """Write everything to one ``.npz`` file that holds numbers and strings only."""
        arrays: dict[str, NDArray[np.generic]] = {
            "coefficients": self.coefficients.astype(np.float16),
            "intercepts": self.intercepts,
            "ngrams": np.array([f"{kind.unit}:{kind.low}:{kind.high}" for kind in self.ngrams]),
        }
        for block, (vocabulary, idf) in enumerate(zip(self.vocabularies, self.idf, strict=True)):
            terms = sorted(vocabulary, key=vocabulary.__getitem__)
            arrays[f"terms{block}"] = np.frombuffer("\n".join(terms).encode(), dtype=np.uint8)
            arrays[f"idf{block}"] = idf
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> "LinearText":
        """Read what ``save`` wrote; pickled content is refused."""
        with np.load(path, allow_pickle=False) as arrays:
            kinds = [str(kind).split(":") for kind in arrays["ngrams"]]
            terms = [arrays[f"terms{block}"].tobytes().decode().split("\n") for block in range(len(kinds))]
            return cls(
                ngrams=tuple(
                    Ngrams("word" if unit == "word" else "char", int(low), int(high)) for unit, low, high in kinds
                ),
                vocabularies=[{term: column for column, term in enumerate(block)} for block in terms],
                idf=[arrays[f"idf{block}"] for block in range(len(kinds))],
                coefficients=arrays["coefficients"].astype(np.float32),
                intercepts=arrays["intercepts"],
            )
