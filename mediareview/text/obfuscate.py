"""Tricks by which people hide words from a filter: for training-time augmentation and for robustness tests."""

import random
import re
from collections.abc import Callable

from mediareview.text.confusables import LEET_OF, LOOKALIKES

_WORD = re.compile(r"[A-Za-z]{4,}")


def _each_letter(word: str, random_: random.Random, table: dict[str, str]) -> str:
    return "".join(
        random_.choice(table[letter.lower()]) if letter.lower() in table and random_.random() < 0.7 else letter
        for letter in word
    )


def _leet(word: str, random_: random.Random) -> str:
    return word[0] + _each_letter(word[1:-1], random_, LEET_OF) + word[-1]


def _homoglyphs(word: str, random_: random.Random) -> str:
    return _each_letter(word, random_, LOOKALIKES)


def _zero_width(word: str, random_: random.Random) -> str:
    return "".join(letter + random_.choice(("\u200b", "\u200c", "\u2060", "")) for letter in word)


def _spaced(word: str, random_: random.Random) -> str:
    return " ".join(word)


def _punctuated(word: str, random_: random.Random) -> str:
    return random_.choice(".*_").join(word)


OBFUSCATIONS: dict[str, Callable[[str, random.Random], str]] = {
    "leet": _leet,
    "homoglyphs": _homoglyphs,
    "zero-width": _zero_width,
    "spaced": _spaced,
    "punctuated": _punctuated,
}
"""Name of the trick to a function that plays it on one word of at least four letters."""


def obfuscate(text: str, kind: str, seed: int, share: float = 0.5) -> str:
    """Return the text with a trick played on a share of its longer words; the same seed gives the same text.

    Args:
        text: what to disguise.
        kind: a key of ``OBFUSCATIONS``, or ``mixed`` for another trick on each word.
        seed: of the choice of words and signs.
        share: probability with which a word of four letters or more is disguised, 0 to 1.
    """
    random_ = random.Random(f"{seed}:{text}")

    def disguise(match: re.Match[str]) -> str:
        if random_.random() >= share:
            return match[0]
        trick = random_.choice(list(OBFUSCATIONS)) if kind == "mixed" else kind
        return OBFUSCATIONS[trick](match[0], random_)

    return _WORD.sub(disguise, text)
