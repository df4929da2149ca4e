"""Is ``platform.yaml`` the one place of what an operator changes? Its values are changed, all at once, to find out.

Every value must change the render, or nobody uses it. And every image, number of pods, host and URL of the render must
change with it, or it stands somewhere else, too.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .complaints import Complaint
from .objects import Object, leaves, name_of, namespace_of
from .render import parse, run_kustomize

FIRST_NUMBER = 7_000_000
"""Changed numbers begin here: nothing else in a render is as large."""

MARK = re.compile(r"zq\d+z")
NUMBERS_OF_PODS = re.compile(r"\.(replicas|minReplicas|maxReplicas|minReplicaCount|maxReplicaCount)$")
HOSTS = re.compile(r"(\.hostname|\.hostnames\[\d+\]|\.dnsNames\[\d+\]|\.image)$")
SERVED = re.compile(r"\.storageUri$|^spec\.canary\[")
"""What is served is written by deployments and rollouts."""
URL = re.compile(r"\b(https?|s3|rediss?|postgresql(\+\w+)?)://")


@dataclass(frozen=True)
class Change:
    """A value of ``platform.yaml`` and what it was changed to."""

    path: str
    mark: str
    """What is found wherever the changed value, or a part of it, was copied to."""


def complaints_of(directory: Path, root: Path, scratch: Path) -> Iterator[Complaint]:
    """Yield what is used by nobody, and what stands elsewhere.

    Args:
        directory: an overlay.
        root: a directory above, with all that the overlay refers to.
        scratch: where to make a changed copy.
    """
    copy = scratch / "changed"
    shutil.copytree(root, copy)
    overlay = copy / directory.relative_to(root)
    platform = yaml.safe_load((overlay / "platform.yaml").read_text())
    changes: list[Change] = []
    platform["spec"] = _changed(platform["spec"], "spec", changes)
    (overlay / "platform.yaml").write_text(yaml.safe_dump(platform))
    before, text = parse(run_kustomize(directory)), run_kustomize(overlay)
    for change in changes:
        if change.mark not in text:
            remedy = "copy it to where it belongs, or remove it"
            yield Complaint(platform, change.path, "changes nothing", remedy)
    after = {_identity(item): dict(leaves(item)) for item in parse(text)}
    for item in before:
        yield from _elsewhere(item, after[_identity(item)])


def _changed(value: Any, path: str, changes: list[Change]) -> Any:
    """Return a value with each scalar in it changed; every part of a string bears the mark."""
    if isinstance(value, dict):
        return {key: _changed(inner, f"{path}.{key}", changes) for key, inner in value.items()}
    if isinstance(value, list):
        return [_changed(inner, f"{path}[{index}]", changes) for index, inner in enumerate(value)]
    number = len(changes)
    if isinstance(value, bool) or value is None:
        raise TypeError(f"{path} is {value}: tell here how to change such a value and recognise it")
    if isinstance(value, int):
        changes.append(Change(path, str(FIRST_NUMBER + number)))
        return FIRST_NUMBER + number
    changes.append(Change(path, f"zq{number}z"))
    return re.sub(r"[A-Za-z0-9]+", lambda part: f"{part[0]}zq{number}z", value)


def _identity(item: Object) -> tuple[str, str, str]:
    return (item["kind"], MARK.sub("", namespace_of(item)), name_of(item))


def _elsewhere(item: Object, after: dict[str, Any]) -> Iterator[Complaint]:
    for path, value in leaves(item):
        # One pod is not a choice, where there can be no second.
        counts = bool(NUMBERS_OF_PODS.search(path)) and not (path.endswith(".replicas") and value == 1)
        chosen = counts or HOSTS.search(path) or (isinstance(value, str) and URL.search(value))
        if chosen and not SERVED.search(path) and after.get(path) == value:
            problem = f"{value} does not come from platform.yaml"
            yield Complaint(item, path, problem, "put it there and copy it from there")
