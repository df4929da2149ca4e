"""A model artifact: a directory with ``model.json``, the weights and what serving needs. Loading it runs no code."""

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mediareview.errors import MediaReviewError
from mediareview.evaluation import Evaluation, Metric

MANIFEST = "model.json"


class ModelCard(BaseModel):
    """What a reader must know before trusting the model (after Mitchell et al., Model Cards, 2019)."""

    summary: str = ""
    """What the model is, in one or two sentences."""
    lake_versions: dict[str, int] = Field(default_factory=dict)
    """Pinned version of each lake table the training read."""
    rows: dict[str, int] = Field(default_factory=dict)
    """Rows per split or source."""
    labels: str = ""
    """Where the labels come from; names weak or generated labels."""
    code_revision: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)
    metrics: list[Metric] = Field(default_factory=list)
    """The model's own metrics on the test split, slices included."""
    evaluation: Evaluation | None = None
    """The same run's comparison with baselines and champion."""
    decision: str = ""
    """What the gate decided, and why."""
    limits: list[str] = Field(default_factory=list)
    """Known limits and what the model must not be used for."""


class Manifest(BaseModel):
    """The content of ``model.json``."""

    model_config = ConfigDict(protected_namespaces=())

    name: str
    """``recommender``, ``sentiment`` or ``moderation``."""
    variety: str
    """What kind of model it is, for example ``encoder-int8`` or ``tfidf-logistic``; names the scorer that loads it."""
    version: str = ""
    """Registry version; empty until registered."""
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    settings: dict[str, Any] = Field(default_factory=dict)
    """What the scorer needs besides weights: labels, thresholds, temperature, normaliser settings, lengths."""
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of every other file of the artifact, by relative path."""
    card: ModelCard = Field(default_factory=ModelCard)


def save_manifest(directory: Path, manifest: Manifest) -> Manifest:
    """Write ``model.json`` with the checksums of the files beside it, and return it as written."""
    files = {
        path.relative_to(directory).as_posix(): _sha256(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    manifest = manifest.model_copy(update={"files": files})
    partial = directory / f".{MANIFEST}.partial"
    partial.write_text(manifest.model_dump_json(indent=2))
    partial.replace(directory / MANIFEST)
    return manifest


def load_manifest(directory: Path, *, verify: bool = False) -> Manifest:
    """Read ``model.json``; with ``verify``, check every file against its checksum.

    Raises:
        MediaReviewError: the directory is no artifact, or a file is missing or changed.
    """
    try:
        manifest = Manifest.model_validate_json((directory / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise MediaReviewError(f"{directory} holds no {MANIFEST}.", "Give the directory of a model artifact.") from None
    except (ValidationError, json.JSONDecodeError) as error:
        raise MediaReviewError(
            f"{directory / MANIFEST} is not a valid manifest: {error}", "Train or download it again."
        ) from error
    for relative, digest in manifest.files.items() if verify else ():
        path = directory / relative
        if not path.is_file() or _sha256(path) != digest:
            raise MediaReviewError(f"{path} is missing or was changed.", "Train or download the model again.")
    return manifest


def copy_artifact(source: Path, target: Path) -> None:
    """Copy an artifact to a directory, replacing what is there only once the copy is complete."""
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    shutil.rmtree(target, ignore_errors=True)
    partial.replace(target)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
