"""Word and character n-grams, equal to those of scikit-learn's vectorizers, without scikit-learn."""

import re
from collections.abc import Iterator

_TOKEN = re.compile(r"(?u)\b\w\w+\b")
_SPACES = re.compile(r"\s\s+")


def word_ngrams(text: str, low: int, high: int) -> Iterator[str]:
    """Yield n-grams of words, ``low`` to ``high`` words long: ``analyzer="word"`` with the default token pattern."""
    words = _TOKEN.findall(text.lower())
    for size in range(low, high + 1):
        for start in range(len(words) - size + 1):
            yield " ".join(words[start : start + size])


def char_ngrams(text: str, low: int, high: int) -> Iterator[str]:
    """Yield n-grams of characters inside words padded by spaces: ``analyzer="char_wb"``."""
    for word in _SPACES.sub(" ", text.lower()).split():
        padded = f" {word} "
        for size in range(low, high + 1):
            yield padded[:size]
            offset = 0
            while offset + size < len(padded):
                offset += 1
                yield padded[offset : offset + size]
            if offset == 0:
                break
