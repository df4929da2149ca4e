"""Split texts at random such that no text is in two parts, today or after the data have grown."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_NOT_WORD = re.compile(r"[\W_]+")


def text_key(normalised: str) -> str:
    """Return what texts share that differ only in case, spaces and punctuation."""
    return _NOT_WORD.sub("", normalised.lower()) or normalised


def split_by_text(keys: Sequence[str], test_share: float, validation_share: float, seed: int) -> NDArray[np.str_]:
    """Assign each text to ``train``, ``validation`` or ``test``.

    The part follows from a hash of key and seed. A text therefore stays in its part when others are added, and a
    model trained earlier with the same seed never saw what is a test text now.

    Args:
        keys: ``text_key`` of each text; equal keys get the same part.
        test_share: expected share of the test part, 0 to 1.
        validation_share: expected share of the validation part, 0 to 1.
        seed: other seeds give other splits.

    Returns:
        Part of each text, shape [texts].
    """
    position = np.array([_position(key, seed) for key in keys])
    return np.select(
        [position < test_share, position < test_share + validation_share], ["test", "validation"], default="train"
    )


def first_by_hash(keys: Sequence[str], most: int, seed: int) -> NDArray[np.intp]:
    """Return the positions, ascending, of at most so many texts: a sample that follows from keys and seed only."""
    position = [_position(key, seed + 1) for key in keys]
    return np.sort(np.argsort(position, kind="stable")[:most])


def _position(key: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}:{key}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
