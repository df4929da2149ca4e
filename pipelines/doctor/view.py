"""What the detections ask of a cluster, each thing once, as far as the caller may see it."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from pathlib import Path

import yaml

from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Kubernetes, KubernetesError, Object, Resource

DEPLOYMENTS = Resource("apps/v1", "deployments")
STORAGE_CLASSES = Resource("storage.k8s.io/v1", "storageclasses")
REVIEWS = Resource("authorization.k8s.io/v1", "selfsubjectaccessreviews")


@dataclass(frozen=True, order=True)
class Permission:
    """A resource that the caller has to make and change, or to see."""

    group: str
    resource: str
    namespace: str

    def __str__(self) -> str:
        name = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{name} in {self.namespace}" if self.namespace else name


class ClusterView:
    """A cluster, seen with an overlay in mind.

    Args:
        api: the cluster.
        overlay: directory of the overlay.
    """

    def __init__(self, api: Kubernetes, overlay: Path) -> None:
        self.api = api
        self._overlay = overlay

    def find(self, resource: Resource, name: str) -> Object | None:
        """Return an object; None if it is not there, or its kind is not known.

        Raises:
            KubernetesError: the caller may not see it, or the server does not answer.
        """
        try:
            return self.api.get(resource, name)
        except KubernetesError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    def resources(self, version: str) -> dict[str, str] | None:
        """Return the plurals of the kinds of a group and version, as ``metrics.k8s.io/v1beta1``; everybody may ask.

        None means that the server does not know the group or version, or that what serves it does not answer.
        """
        try:
            found = self.api.read(f"/apis/{version}" if "/" in version else f"/api/{version}")
        except KubernetesError as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE):
                raise
            return None
        return {item["kind"]: item["name"] for item in found.get("resources") or [] if "/" not in item["name"]}

    def serves_group(self, group: str) -> bool:
        """Whether the server knows any version of a group."""
        try:
            self.api.read(f"/apis/{group}")
        except KubernetesError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    @cached_property
    def deployments(self) -> list[Object] | None:
        """All Deployments; None if the caller may not see them."""
        try:
            return self.api.list(DEPLOYMENTS)
        except KubernetesError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            return None

    @cached_property
    def storage_classes(self) -> list[Object]:
        """All StorageClasses."""
        return self.api.list(STORAGE_CLASSES)

    @cached_property
    def permissions(self) -> list[Permission] | None:
        """What applying the overlay makes and changes; None if there is no kubectl to render it.

        Kinds that the cluster does not know are left out: other checks tell what is missing.
        """
        kubectl = shutil.which("kubectl") or shutil.which("kubectl", path=str(Path(sys.executable).parent))
        if kubectl is None:
            return None
        done = subprocess.run([kubectl, "kustomize", str(self._overlay)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise MediaReviewError(f"{self._overlay} does not render: {done.stderr.strip()}", "Correct the overlay.")
        items = [item for item in yaml.safe_load_all(done.stdout) if item]
        plurals = {version: self.resources(version) or {} for version in {item["apiVersion"] for item in items}}
        found = {
            Permission(
                group=item["apiVersion"].rpartition("/")[0],
                resource=plurals[item["apiVersion"]][item["kind"]],
                namespace=item["metadata"].get("namespace", ""),
            )
            for item in items
            if item["kind"] in plurals[item["apiVersion"]]
        }
        return sorted(found)

    def allows(self, permission: Permission, verb: str) -> bool:
        """Whether the caller may do something."""
        attributes = {
            "verb": verb,
            "group": permission.group,
            "resource": permission.resource,
            "namespace": permission.namespace,
        }
        review = {
            "apiVersion": REVIEWS.api_version,
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        return bool(self.api.create(REVIEWS, review)["status"]["allowed"])
