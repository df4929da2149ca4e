"""JSON Merge Patch (RFC 7396): how Kubernetes merges into an object, and how a file says what differs."""

from copy import deepcopy
from typing import Any


def merge(target: Any, patch: Any) -> Any:
    """Return the target with the patch applied; neither argument is changed.

    Mappings are merged key by key, null removes a key, and anything else replaces.
    """
    if not isinstance(patch, dict):
        return deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged
