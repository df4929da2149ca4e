"""Reads ``manifests/prerequisites.yaml`` and what belongs to it in the overlay's ``platform.yaml``."""

from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from mediareview.errors import MediaReviewError
from pipelines.doctor.detection import Detection

MANIFESTS = Path(__file__).parents[2] / "manifests"
"""Where they lie in a clone."""


class Prerequisite(BaseModel):
    """One thing that a cluster must have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    why: str
    install: str
    """Where its installation is described."""
    minimum: str = ""
    """Oldest version that will do; empty if any."""
    overlays: tuple[str, ...] = ()
    """Overlays that need it; empty means all."""
    required: bool = True
    detect: Detection

    @property
    def remedy(self) -> str:
        """What to do if it is missing."""
        version = f"{self.minimum} or newer" if self.minimum else "it"
        return f"{self.why}. Install {version}: {self.install}" if "://" in self.install else f"{self.why}."


def overlays(manifests: Path) -> list[str]:
    """Return the names of the overlays."""
    return sorted(path.parent.name for path in manifests.glob("overlays/*/kustomization.yaml"))


def load_prerequisites(overlay: str, manifests: Path) -> list[Prerequisite]:
    """Return what an overlay needs, with the values of its ``platform.yaml`` filled in.

    Raises:
        MediaReviewError: there are no manifests, no such overlay, or a file is wrong.
    """
    path = manifests / "prerequisites.yaml"
    if not path.is_file():
        raise MediaReviewError(f"There is no {path}.", "Run this in a clone of the repository, or give --manifests.")
    if overlay not in overlays(manifests):
        raise MediaReviewError(f"There is no overlay {overlay!r}.", f"Use {' or '.join(overlays(manifests))}.")
    platform = yaml.safe_load((manifests / "overlays" / overlay / "platform.yaml").read_text())["spec"]
    listed = yaml.safe_load(path.read_text())["prerequisites"]
    chosen = [entry for entry in listed if overlay in entry.get("overlays", [overlay])]
    try:
        return [Prerequisite.model_validate(_filled(entry, dict(_values(platform)))) for entry in chosen]
    except ValidationError as error:
        raise MediaReviewError(f"{path} is wrong: {error}", "Correct it.") from None
    except KeyError as error:
        raise MediaReviewError(
            f"{path} uses {error}, which the platform.yaml of {overlay} does not have.", "Add it there."
        ) from None


class _PlatformTemplate(Template):
    idpattern = r"[A-Za-z][A-Za-z.]*"


def _filled(value: Any, values: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, values) for inner in value]
    return _PlatformTemplate(value).substitute(values) if isinstance(value, str) else value


def _values(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _values(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
