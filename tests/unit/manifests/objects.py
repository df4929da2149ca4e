"""Kubernetes objects as plain data: who they are, and what is in them."""

from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]


def name_of(item: Object) -> str:
    return str(item["metadata"]["name"])


def namespace_of(item: Object) -> str:
    """Return the namespace; empty for an object of the cluster, or one that names none."""
    return str(item["metadata"].get("namespace", ""))


def group_of(item: Object) -> str:
    """Return the API group; empty for the core group."""
    group, separator, _ = str(item["apiVersion"]).rpartition("/")
    return group if separator else ""


def labels_of(item: Object) -> dict[str, str]:
    return dict(item["metadata"].get("labels") or {})


def annotations_of(item: Object) -> dict[str, str]:
    return dict(item["metadata"].get("annotations") or {})


def title(item: Object) -> str:
    """Return how people name an object: ``Deployment mediareview/api``."""
    namespace = namespace_of(item)
    return f"{item['kind']} {namespace}/{name_of(item)}" if namespace else f"{item['kind']} {name_of(item)}"


def at(item: Any, path: str, default: Any = None) -> Any:
    """Return what lies at a dotted path of plain keys; ``default`` where nothing does."""
    for key in path.split("."):
        if not isinstance(item, dict) or key not in item:
            return default
        item = item[key]
    return item


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every scalar with its field path; items of lists are named, or else numbered."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            label = inner["name"] if isinstance(inner, dict) and isinstance(inner.get("name"), str) else index
            yield from leaves(inner, f"{path}[{label}]")
    else:
        yield path, value


def nodes(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every mapping with its field path, the outermost first."""
    if isinstance(value, dict):
        yield path, value
        for key, inner in value.items():
            yield from nodes(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            label = inner["name"] if isinstance(inner, dict) and isinstance(inner.get("name"), str) else index
            yield from nodes(inner, f"{path}[{label}]")
