"""Where InferenceService and ServingRuntime objects are kept: a directory, or the API of a Kubernetes cluster."""

from typing import Protocol

from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Object
from mediareview.settings import Settings
from serving.objects.names import INFERENCE_SERVICE


class ConflictError(MediaReviewError):
    """Somebody else changed the object since it was read."""


class MissingError(MediaReviewError):
    """There is no such object."""


class ObjectStore(Protocol):
    """Keeps objects by kind and name, by the rules of the Kubernetes API."""

    def list(self, kind: str = INFERENCE_SERVICE) -> list[Object]:
        """Return all objects of a kind, by name."""

    def get(self, name: str, kind: str = INFERENCE_SERVICE) -> Object:
        """Return an object.

        Raises:
            MissingError: there is none of that name and kind.
        """

    def apply(self, manifest: Object) -> bool:
        """Create an object or merge into it; what ``manifest`` does not name is kept. Return whether it changed."""

    def replace(self, manifest: Object) -> bool:
        """Replace an object's metadata and spec with what was read and changed; its status is kept.

        Returns:
            Whether anything changed.

        Raises:
            ConflictError: it was written since; its ``resourceVersion`` is no longer that of ``manifest``.
        """

    def delete(self, name: str, kind: str = INFERENCE_SERVICE) -> bool:
        """Delete an object; return whether it was there."""


def open_objects(settings: Settings) -> ObjectStore:
    """Return the objects of the cluster's namespace, or else those of the home directory.

    Raises:
        MediaReviewError: the cluster is not known here.
    """
    if settings.serving_namespace:
        from serving.objects.cluster import ClusterObjects

        return ClusterObjects(settings.serving_namespace)
    from serving.objects.directory import ObjectDirectory

    return ObjectDirectory(settings.inference_services)


def missing(kind: str, name: str, where: str) -> MissingError:
    """Return the error that says that there is no object, and how to get one."""
    return MissingError(
        f"There is no {kind} {name!r} in {where}.",
        f"Deploy it: mediareview pipeline run train-{name}" if kind == INFERENCE_SERVICE else "",
    )


def conflict(kind: str, name: str) -> ConflictError:
    """Return the error that says that an object is no longer what was read."""
    return ConflictError(f"{kind} {name!r} was changed by somebody else.", "Read it again and repeat the change.")
