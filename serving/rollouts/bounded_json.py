"""JSON of at most so many bytes, for what must travel in an annotation."""

import json
import math
from collections.abc import Mapping
from typing import Any


def bounded_json(content: Mapping[str, Any], most_bytes: int) -> str:
    """Return a mapping as valid JSON that is not too long; what had to go is named under ``left_out``.

    The longest values go first. NaN and infinities, which JSON does not have, become null.
    """
    kept = {str(key): _plain(value) for key, value in content.items()}
    left_out: list[str] = []
    while len(text := _dumps({**kept, **({"left_out": left_out} if left_out else {})})) > most_bytes and kept:
        longest = max(kept, key=lambda key: len(_dumps(kept[key])))
        value = kept[longest]
        if isinstance(value, list) and len(value) > 1:
            kept[longest] = value[: len(value) // 2]
        else:
            del kept[longest]
        if longest not in left_out:
            left_out.append(longest[:40])
    return text if len(text) <= most_bytes else "{}"


def _dumps(value: Any) -> str:
    """Return ASCII, so that characters are bytes."""
    return json.dumps(value, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
