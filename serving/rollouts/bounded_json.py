"""JSON of at most so many bytes, for what must travel in an annotation."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

LEFT_OUT = "left_out"
"""Key under which the names of what had to be shortened are kept."""
_SHORT = 40
"""Texts of so many characters are not shortened any more."""


def bounded_json(content: Mapping[str, Any], most_bytes: int) -> str:
    """Return a mapping as valid JSON that is not too long.

    Wherever they are, the longest lists lose their ends first, then the longest texts theirs, and last whole values go.
    NaN and infinities, which JSON does not have, become null.
    """
    kept: dict[str, Any] = _plain(content)
    shortened: list[str] = []
    while len(text := _dumps({**kept, **({LEFT_OUT: shortened} if shortened else {})})) > most_bytes and kept:
        name = _shorten(kept)
        if name not in shortened:
            shortened.append(name[:_SHORT])
    return text if len(text) <= most_bytes else "{}"


def _shorten(content: dict[str, Any]) -> str:
    """Shorten the longest list or text below a mapping; return its name."""
    parts = list(_parts(content))
    lists = [part for part in parts if isinstance(part[2], list) and len(part[2]) > 1]
    texts = [part for part in parts if isinstance(part[2], str) and len(part[2]) > _SHORT]
    if lists or texts:
        holder, key, value, name = max(lists or texts, key=lambda part: len(_dumps(part[2])))
        holder[key] = value[: len(value) // 2]
        return name
    name = max(content, key=lambda key: len(_dumps(content[key])))
    del content[name]
    return name


def _parts(holder: Any, name: str = "") -> Iterator[tuple[Any, Any, Any, str]]:
    """Yield every value below a mapping or list: what holds it, where, itself, and its name."""
    for key, value in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
        called = key if isinstance(key, str) else name
        yield holder, key, value, called
        if isinstance(value, dict | list):
            yield from _parts(value, called)


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
