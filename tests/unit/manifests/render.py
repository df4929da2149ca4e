"""Runs kustomize, and gathers what an overlay consists of besides its objects."""

import functools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from typing import Any

import yaml

from .objects import Object, at, leaves, name_of, namespace_of

REPOSITORY = Path(__file__).parents[3]
OVERLAYS = REPOSITORY / "manifests" / "overlays"
TABLES = Path(__file__).parent
"""Where ``callers.yaml`` and ``roles.yaml`` of the real overlays lie."""
SCRIPTS = REPOSITORY / "scripts"

KUBECTL = Path(sys.executable).with_name("kubectl")


class RenderError(Exception):
    """kustomize failed, or warned."""


@dataclass(frozen=True)
class Render:
    """What one overlay applies, and what the checks compare it with."""

    name: str
    objects: list[Object]
    platform: dict[str, Any]
    """``spec`` of the overlay's ``platform.yaml``: the one place of what an operator changes."""
    secrets: list[Object] = field(default_factory=list)
    """Secrets that a script creates: objects with ``stringData``, of which only the keys matter."""
    callers: dict[str, Any] = field(default_factory=dict)
    """Who may open a connection to what; see ``callers.yaml``."""
    roles: dict[str, Any] = field(default_factory=dict)
    """What each role may do; see ``roles.yaml``."""

    def of(self, *kinds: str) -> Iterator[Object]:
        """Yield the objects of these kinds, in the order of the render."""
        return (item for item in self.objects if item["kind"] in kinds)

    def find(self, kind: str, name: str, namespace: str = "") -> Object | None:
        """Return an object, or None."""
        found = (item for item in self.of(kind) if name_of(item) == name and namespace_of(item) == namespace)
        return next(found, None)

    @property
    def namespaces(self) -> dict[str, Object]:
        """The Namespace objects by name."""
        return {name_of(item): item for item in self.of("Namespace")}

    @property
    def our_namespaces(self) -> list[str]:
        """Every namespace in which the overlay puts something, sorted."""
        return sorted({namespace_of(item) for item in self.objects} - {""})

    def with_objects(self, objects: list[Object]) -> "Render":
        return replace(self, objects=objects)


@functools.cache
def kustomize(directory: Path) -> str:
    """Return what ``kubectl kustomize`` prints.

    Raises:
        RenderError: it failed, or it warned.
    """
    return run_kustomize(directory)


def run_kustomize(directory: Path) -> str:
    """As ``kustomize``, without its memory."""
    done = subprocess.run([str(KUBECTL), "kustomize", str(directory)], capture_output=True, text=True, check=False)
    if done.returncode or done.stderr.strip():
        raise RenderError(f"kubectl kustomize {directory}:\n{done.stderr.strip()}")
    return done.stdout


def parse(text: str) -> list[Object]:
    return [item for item in yaml.load_all(text, Loader=yaml.CSafeLoader) if item]


@functools.cache
def load(directory: Path, tables: Path = TABLES, scripts: Path = SCRIPTS) -> Render:
    """Render an overlay, once, and read what belongs to it.

    Args:
        directory: the overlay; ``platform.yaml`` lies in it.
        tables: where ``callers.yaml`` and ``roles.yaml`` lie.
        scripts: where ``NAME-secrets`` lies if the overlay's secrets are made by a script.
    """
    platform = read_yaml(directory / "platform.yaml").get("spec", {})
    return Render(
        name=directory.name,
        objects=parse(kustomize(directory)),
        platform=platform,
        secrets=run_secrets(scripts / f"{directory.name}-secrets"),
        callers=read_table(tables / "callers.yaml", directory.name, platform),
        roles=read_table(tables / "roles.yaml", directory.name, platform),
    )


def run_secrets(script: Path) -> list[Object]:
    """Return the Secrets that a script prints as a List; none where there is no script."""
    if not script.exists():
        return []
    printed = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout
    return list(yaml.safe_load(printed)["items"])


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML file's mapping; empty where there is no such file."""
    return yaml.safe_load(path.read_text()) or {} if path.exists() else {}


class _PlatformTemplate(Template):
    idpattern = r"[A-Za-z][A-Za-z.]*"


def read_table(path: Path, overlay: str, platform: dict[str, Any]) -> dict[str, Any]:
    """Read a table that is the same for all overlays but for what stands under an overlay's name.

    ``${some.value}`` in it is a value of the overlay's ``platform.yaml``.
    """
    if not path.exists():
        return {}
    values = {name: value for name, value in leaves(platform) if value is not None}
    table = yaml.safe_load(_PlatformTemplate(path.read_text()).safe_substitute(values)) or {}
    return _merged(table.get("every-overlay") or {}, table.get(overlay) or {})


def _merged(common: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = dict(common)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(at(common, key), dict)
        merged[key] = _merged(common[key], value) if both else value
    return merged


def overlays() -> list[Path]:
    """Return the directories of the overlays."""
    return sorted(path.parent for path in OVERLAYS.glob("*/kustomization.yaml"))
