"""Versions, aliases and artifacts in MLflow; SQLite by default, a server by URL."""

import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mediareview.artifact import Manifest, ModelCard, load_manifest, save_manifest
from mediareview.errors import MediaReviewError
from mediareview.settings import Settings, get_settings

CHAMPION, CHALLENGER = "champion", "challenger"
ROLLED_BACK = "rolled_back"
"""Tag of a version that was taken back from users: why."""
MOST_TAG_CHARACTERS = 4000


@dataclass(frozen=True)
class ModelVersion:
    """One registered version of a model."""

    name: str
    version: str
    uri: str
    """``file://`` or ``s3://`` URL of the artifact directory."""
    aliases: tuple[str, ...]
    tags: dict[str, str]
    registered_at_s: float = 0.0
    """When it was registered, in Unix seconds."""


class Registry:
    """The model registry.

    Args:
        uri: MLflow tracking and registry URI.
        artifact_root: URL under which artifacts are stored; empty leaves the choice to the MLflow server.
    """

    def __init__(self, uri: str, artifact_root: str = "") -> None:
        self._uri = uri
        self._artifact_root = artifact_root

    @classmethod
    def from_settings(cls, settings: Settings | None = None) -> "Registry":
        """Open the registry that ``MEDIAREVIEW_REGISTRY_URL`` names."""
        settings = settings or get_settings()
        if settings.registry_url:
            return cls(settings.registry_url)
        directory = settings.root / "registry"
        directory.mkdir(parents=True, exist_ok=True)
        return cls(settings.registry, (directory / "artifacts").as_uri())

    @cached_property
    def _client(self) -> Any:
        # MLflow logs schema migrations of its own database as if they were the user's business.
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        from mlflow import MlflowClient
        from sqlalchemy.exc import SADeprecationWarning

        warnings.filterwarnings("ignore", category=SADeprecationWarning)  # of MLflow's own queries

        return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found:
            return str(found.experiment_id)
        location = f"{self._artifact_root}/{name}" if self._artifact_root else None
        return str(self._client.create_experiment(name, artifact_location=location))

    def register(self, artifact_dir: Path, card: ModelCard, tags: dict[str, str]) -> ModelVersion:
        """Store an artifact as a new version; the same artifact again returns the version it has.

        A version appears only once its artifact is complete: one left behind by an interruption is replaced.

        Args:
            artifact_dir: directory with ``model.json``.
            card: the card to store in the manifest.
            tags: short facts, for example the gate's decision; ``digest`` identifies the artifact.
        """
        manifest = load_manifest(artifact_dir, verify=True)
        name = manifest.name
        for known in self.versions(name, include_incomplete=True):
            if known.tags.get("digest") == tags["digest"]:
                if known.tags.get("complete") == "yes":
                    return known
                self._client.delete_model_version(name, known.version)
        self._ensure_model(name)
        run = self._client.create_run(self._experiment(name), run_name=f"{manifest.variety}", tags=tags)
        run_id, source = run.info.run_id, f"{run.info.artifact_uri}/model"
        created = self._client.create_model_version(name, source=source, run_id=run_id, tags={**tags, "complete": "no"})
        self._log(run_id, card)
        with tempfile.TemporaryDirectory() as scratch:
            complete = Path(scratch) / "model"
            shutil.copytree(artifact_dir, complete)
            save_manifest(complete, manifest.model_copy(update={"version": str(created.version), "card": card}))
            self._client.log_artifacts(run_id, str(complete), "model")
        self._client.set_model_version_tag(name, str(created.version), "complete", "yes")
        self._client.set_terminated(run_id)
        return self._version(self._client.get_model_version(name, str(created.version)), {})

    def _log(self, run_id: str, card: ModelCard) -> None:
        for key, parameter in card.parameters.items():
            self._client.log_param(run_id, key, str(parameter)[:500])
        for table, version in card.lake_versions.items():
            self._client.log_param(run_id, f"lake.{table}", version)
        for metric in card.metrics:
            if metric.value == metric.value:
                part = f"/{metric.slice}" if metric.slice else ""
                self._client.log_metric(run_id, _metric_key(f"{metric.name}{part}"), metric.value)

    def _ensure_model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def versions(self, name: str, *, include_incomplete: bool = False) -> list[ModelVersion]:
        """Registered versions of a model, newest first."""
        from mlflow.exceptions import MlflowException

        try:
            aliases = dict(self._client.get_registered_model(name).aliases)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return []
            raise
        found = [self._version(item, aliases) for item in self._client.search_model_versions(f"name = '{name}'")]
        found.sort(key=lambda item: int(item.version), reverse=True)
        return [item for item in found if include_incomplete or item.tags.get("complete") == "yes"]

    def version(self, name: str, version_or_alias: str) -> ModelVersion:
        """Return a version by number or alias.

        Raises:
            MediaReviewError: there is none.
        """
        versions = self.versions(name)
        for item in versions:
            if version_or_alias == item.version or version_or_alias in item.aliases:
                return item
        raise MediaReviewError(
            f"{name} has no version or alias {version_or_alias!r}.",
            f"It has: {', '.join(item.version for item in versions)}." if versions else _train_hint(name),
        )

    def champion(self, name: str) -> ModelVersion | None:
        """Return the champion, or None before the first training."""
        return next((item for item in self.versions(name) if CHAMPION in item.aliases), None)

    def set_champion(self, version: ModelVersion) -> None:
        """Make a version champion; the dethroned one becomes challenger."""
        old = self.champion(version.name)
        self._client.set_registered_model_alias(version.name, CHAMPION, version.version)
        if old and old.version != version.version:
            self._client.set_registered_model_alias(version.name, CHALLENGER, old.version)

    def set_challenger(self, version: ModelVersion) -> None:
        """Make a version challenger: the best that is not champion, or the last that was refused."""
        self._client.set_registered_model_alias(version.name, CHALLENGER, version.version)

    def tag(self, version: ModelVersion, name: str, value: str) -> None:
        """Set a tag of a version; an empty value removes it."""
        if value:
            self._client.set_model_version_tag(version.name, version.version, name, value[:MOST_TAG_CHARACTERS])
        elif name in version.tags:
            self._client.delete_model_version_tag(version.name, version.version, name)

    def download(self, uri: str) -> Path:
        """Return a local directory with the artifact at ``uri``; a ``file://`` artifact is not copied."""
        if urlsplit(uri).scheme == "file":
            return Path(url2pathname(urlsplit(uri).path))
        import mlflow

        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, tracking_uri=self._uri))

    def manifest(self, version: ModelVersion) -> Manifest:
        """Read a version's manifest with its card."""
        return load_manifest(self.download(version.uri))

    def _version(self, item: Any, aliases: dict[str, Any]) -> ModelVersion:
        return ModelVersion(
            name=item.name,
            version=str(item.version),
            uri=item.source,
            aliases=tuple(sorted(alias for alias, version in aliases.items() if str(version) == str(item.version))),
            tags=dict(item.tags),
            registered_at_s=float(item.creation_timestamp or 0) / 1000,
        )


def _metric_key(name: str) -> str:
    """MLflow allows letters, digits, ``_-. :/`` in metric names; ``ndcg@10`` becomes ``ndcg_at_10``."""
    return "".join(letter if letter.isalnum() or letter in "_-. :/" else "_" for letter in name.replace("@", "_at_"))


def _train_hint(name: str) -> str:
    return f"Train it first: mediareview pipeline run train-{name} --local"
