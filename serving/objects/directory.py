"""A directory of objects with the rules of the Kubernetes API: merge, optimistic concurrency, a status of its own."""

import fcntl
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Object
from mediareview.merge_patch import merge
from serving.objects.names import INFERENCE_SERVICE, SERVING_RUNTIME
from serving.objects.store import conflict, missing

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class ObjectDirectory:
    """Objects as YAML files: ``NAME.yaml`` for an InferenceService, ``runtime-NAME.yaml`` for a ServingRuntime.

    Writers hold a file lock and replace files whole, so that readers, which take no lock, never see half an object.
    Each write raises ``metadata.resourceVersion``; a write that changes ``spec`` raises ``metadata.generation``.

    Args:
        path: the directory; it is created by the first write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def list(self, kind: str = INFERENCE_SERVICE) -> list[Object]:
        """Return all objects of a kind, by name.

        Raises:
            MediaReviewError: a file holds no object.
        """
        paths = sorted(path for path in self.path.glob("*.yaml") if not path.name.startswith("."))
        found = (self._read(path) for path in paths)
        return [item for item in found if item is not None and item["kind"] == kind]

    def get(self, name: str, kind: str = INFERENCE_SERVICE) -> Object:
        """Return an object.

        Raises:
            MissingError: there is none of that name and kind.
            MediaReviewError: its file holds no object.
        """
        found = self._read(self._path(kind, name))
        if found is None:
            raise missing(kind, name, str(self.path))
        return found

    def apply(self, manifest: Object) -> bool:
        """Create an object or merge into it (JSON Merge Patch, RFC 7386); what ``manifest`` does not name is kept.

        Returns:
            Whether anything changed.
        """
        return self._write(manifest["kind"], manifest["metadata"]["name"], lambda stored: merge(stored or {}, manifest))

    def replace(self, manifest: Object) -> bool:
        """Replace an object's metadata and spec with what was read and changed; the stored status is kept.

        Returns:
            Whether anything changed.

        Raises:
            ConflictError: it was written since; its ``resourceVersion`` is no longer that of ``manifest``.
        """
        kind, name = manifest["kind"], manifest["metadata"]["name"]

        def replaced(stored: Object | None) -> Object:
            _check_version(stored, kind, name, manifest["metadata"].get("resourceVersion", ""))
            status = (stored or {}).get("status")
            rest = {key: value for key, value in manifest.items() if key != "status"}
            return {**deepcopy(rest), **({"status": status} if status is not None else {})}

        return self._write(kind, name, replaced)

    def update_status(self, name: str, status: Object, *, resource_version: str | None = None) -> bool:
        """Replace the status of an InferenceService and nothing else.

        Args:
            name: name of the InferenceService.
            status: the new status.
            resource_version: refuse if the object is no longer of this version; None writes in any case.

        Returns:
            Whether the status changed; False also if the object is gone.

        Raises:
            ConflictError: the object was written since.
        """

        def with_status(stored: Object | None) -> Object | None:
            if resource_version is not None:
                _check_version(stored, INFERENCE_SERVICE, name, resource_version)
            return {**stored, "status": status} if stored is not None else None

        return self._write(INFERENCE_SERVICE, name, with_status)

    def delete(self, name: str, kind: str = INFERENCE_SERVICE) -> bool:
        """Delete an object; return whether it was there."""
        with self._locked():
            path = self._path(kind, name)
            existed = path.exists()
            path.unlink(missing_ok=True)
            return existed

    def fingerprint(self) -> frozenset[tuple[str, int, int]]:
        """Return a cheap value that changes whenever a file of the directory does: names, inodes, times."""
        if not self.path.is_dir():
            return frozenset()
        states = set()
        for path in self.path.glob("*.yaml"):
            try:
                state = path.stat()
            except FileNotFoundError:
                continue
            states.add((path.name, state.st_ino, state.st_mtime_ns))
        return frozenset(states)

    def _path(self, kind: str, name: str) -> Path:
        if kind not in (INFERENCE_SERVICE, SERVING_RUNTIME):
            raise MediaReviewError(f"Objects of kind {kind!r} are not kept here.", "Use InferenceService.")
        if not _DNS_LABEL.fullmatch(name):
            raise MediaReviewError(
                f"{name!r} is no object name.", "Use lower-case letters, digits and '-', at most 63 characters."
            )
        return self.path / (f"runtime-{name}.yaml" if kind == SERVING_RUNTIME else f"{name}.yaml")

    def _read(self, path: Path) -> Object | None:
        try:
            found = yaml.load(path.read_bytes(), Loader=_LOADER)  # noqa: S506 a safe loader
        except FileNotFoundError:
            return None
        except yaml.YAMLError as error:
            raise MediaReviewError(f"{path} is not YAML: {error}", "Correct or delete it.") from None
        named = isinstance(found, dict) and "kind" in found and "name" in (found.get("metadata") or {})
        if not named:
            raise MediaReviewError(
                f"{path} holds no Kubernetes object.", "Give it kind and metadata.name, or delete it."
            )
        return dict(found)

    def _write(self, kind: str, name: str, change: Callable[[Object | None], Object | None]) -> bool:
        path = self._path(kind, name)
        with self._locked():
            stored = self._read(path)
            wanted = change(stored)
            if wanted is None or (stored is not None and _content(wanted) == _content(stored)):
                return False
            metadata = (stored or {}).get("metadata", {})
            respecified = (stored or {}).get("spec") != wanted.get("spec")
            generation = int(metadata.get("generation", 0)) + respecified
            revision = int(metadata.get("resourceVersion", 0)) + 1
            wanted["metadata"] = {**wanted["metadata"], "generation": generation, "resourceVersion": str(revision)}
            partial = path.with_name(f".{path.name}.partial")
            partial.write_bytes(yaml.dump(wanted, Dumper=_DUMPER, sort_keys=False, encoding="utf-8"))
            partial.replace(path)
            return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _content(item: Object) -> Object:
    """Return an object without what writing itself changes."""
    bookkeeping = ("resourceVersion", "generation")
    metadata = {key: value for key, value in item["metadata"].items() if key not in bookkeeping}
    return {**item, "metadata": metadata}


def _check_version(stored: Object | None, kind: str, name: str, version: str) -> None:
    current = (stored or {}).get("metadata", {}).get("resourceVersion", "")
    if current != version:
        raise conflict(kind, name)
