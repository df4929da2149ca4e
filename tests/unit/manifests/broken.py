"""Broken fixtures: changes to the correct platform, and what a rule says about each."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .objects import Object, name_of
from .render import Render, load

FIXTURES = Path(__file__).parent / "fixtures"
POLICIES = Path(__file__).parent / "policies"


@dataclass(frozen=True)
class Broken:
    """One change, and the complaints that it must cause.

    In YAML: ``breaks`` says what is wrong with it; ``change`` names an object as ``Kind name``, in which ``set`` gives
    values by JSON pointer and ``remove`` lists pointers; ``add`` lists objects more, ``drop`` names objects fewer;
    ``platform`` gives values of ``platform.yaml``; ``says`` lists the complaints in full.
    """

    policy: str
    breaks: str
    says: list[str]
    change: str = ""
    set: dict[str, Any] | None = None
    remove: tuple[str, ...] = ()
    add: tuple[Object, ...] = ()
    drop: tuple[str, ...] = ()
    platform: dict[str, Any] | None = None

    def apply_to(self, render: Render) -> Render:
        """Return the platform with this change."""
        objects = [item for item in copy.deepcopy(render.objects) if _called(item) not in self.drop]
        assert len(objects) == len(render.objects) - len(self.drop), f"{self.drop} is not there"
        if self.change:
            (item,) = (item for item in objects if _called(item) == self.change)
            for pointer in self.remove:
                holder, key = _resolve(item, pointer)
                del holder[key]
            for pointer, value in (self.set or {}).items():
                holder, key = _resolve(item, pointer)
                holder.append(value) if key == "-" else holder.__setitem__(key, value)
        changed = render.with_objects([*objects, *copy.deepcopy(self.add)])
        changed.platform.update(self.platform or {})
        return changed


def correct_platform() -> Render:
    """Return the platform that every rule accepts; a new copy of it."""
    return copy.deepcopy(load(FIXTURES / "platform", FIXTURES, FIXTURES / "scripts"))


def broken_fixtures() -> list[Broken]:
    """Return the broken fixtures of all rules."""
    found = []
    for path in sorted(POLICIES.glob("*.broken.yaml")):
        policy = path.name.removesuffix(".broken.yaml")
        found += [Broken(policy=policy, **case) for case in yaml.safe_load(path.read_text())]
    return found


def _called(item: Object) -> str:
    return f"{item['kind']} {name_of(item)}"


def _resolve(item: Any, pointer: str) -> tuple[Any, Any]:
    """Return what holds the place that a JSON pointer (RFC 6901) names, and the key there."""
    *path, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.removeprefix("/").split("/")]
    for part in path:
        item = item[int(part)] if isinstance(item, list) else item[part]
    return item, int(last) if isinstance(item, list) and last != "-" else last
