"""How each kind of prerequisite is recognised on a cluster. A new way is a new class here, named by ``detect.by``."""

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mediareview.kubernetes import KubernetesError, Object, Resource
from pipelines.doctor.view import ClusterView, Permission

DEFINITIONS = Resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
IMAGE = re.compile(r"(?P<name>(?:[^/@]+/)*[^/:@]+)(?::(?P<tag>[^@]+))?")
BLOCK_STORAGE = re.compile(r"local-path|hostpath|no-provisioner|(^|[./])(\w*bs|disk|pd|rbd|cinder)\.|block")
"""Provisioners of volumes that one node mounts at a time."""


@dataclass(frozen=True)
class Seen:
    """What was seen of a prerequisite."""

    present: bool
    text: str
    version: str = ""
    """Empty if it has none or it cannot be seen."""
    certain: bool = True
    """False if the caller may not look closely enough."""


class _Detection(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(_Detection):
    """The version of the API server."""

    by: Literal["server"]

    def look(self, cluster: ClusterView) -> Seen:
        """Return what is seen."""
        version = str(cluster.api.read("/version")["gitVersion"])
        return Seen(True, version, version)


class Api(_Detection):
    """A group and version that the API server serves, itself or by an extension."""

    by: Literal["api"]
    version: str

    def look(self, cluster: ClusterView) -> Seen:
        """Return what is seen."""
        present = cluster.resources(self.version) is not None
        return Seen(present, f"{self.version} is {'served' if present else 'not served'}")


class Operator(_Detection):
    """A controller: its CustomResourceDefinition, and the version of its image or of its label."""

    by: Literal["operator"]
    image: str
    """Part of the image's name, without registry and tag."""
    definition: str = ""

    def look(self, cluster: ClusterView) -> Seen:
        """Return what is seen."""
        if self.definition and not self._is_defined(cluster):
            return Seen(False, f"there is no {self.definition}")
        if cluster.deployments is None:
            text = "it is there, as far as you may see" if self.definition else "you may not see its Deployment"
            return Seen(True, text, certain=False)
        for deployment in cluster.deployments:
            for container in deployment["spec"]["template"]["spec"]["containers"]:
                image = IMAGE.match(container["image"])
                if image is not None and image["name"].endswith(self.image):
                    labels = deployment["metadata"].get("labels") or {}
                    tag = image["tag"] or ""
                    version = tag if _numbers(tag) else labels.get("app.kubernetes.io/version", "")
                    where = f"{deployment['metadata']['namespace']}/{deployment['metadata']['name']}"
                    return Seen(True, f"{version or 'of unknown version'} ({where})", version)
        if self.definition:
            return Seen(False, f"{self.definition} is there, but no Deployment runs an image {self.image}")
        return Seen(False, f"no Deployment runs an image {self.image}")

    def _is_defined(self, cluster: ClusterView) -> bool:
        try:
            return cluster.find(DEFINITIONS, self.definition) is not None
        except KubernetesError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            return cluster.serves_group(self.definition.partition(".")[2])


class Annotation(_Detection):
    """A CustomResourceDefinition that tells its version in an annotation."""

    by: Literal["annotation"]
    definition: str
    annotation: str

    def look(self, cluster: ClusterView) -> Seen:
        """Return what is seen."""
        found = cluster.find(DEFINITIONS, self.definition)
        if found is None:
            return Seen(False, f"there is no {self.definition}")
        version = (found["metadata"].get("annotations") or {}).get(self.annotation, "")
        return Seen(True, version or "of unknown version", version)


class Setting(_Detection):
    """A field of JSON in a ConfigMap."""

    by: Literal["setting"]
    namespace: str
    configMap: str  # noqa: N815 as Kubernetes spells it
    key: str
    field: str
    wanted: bool | str
    """Its value, or a part of it if it is a list."""
    default: bool | str | list[str]
    """What counts if the field is not there."""

    def look(self, cluster: ClusterView) -> Seen:
        """Return what is seen."""
        found = cluster.find(Resource("v1", "configmaps", self.namespace), self.configMap)
        if found is None:
            return Seen(False, f"there is no ConfigMap {self.namespace}/{self.configMap}")
        try:
            value = json.loads((found.get("data") or {}).get(self.key) or "{}").get(self.field, self.default)
        except (ValueError, AttributeError):
            return Seen(False, f"{self.key} in ConfigMap {self.namespace}/{self.configMap} is no JSON object")
        if value == self.wanted or (isinstance(value, list) and self.wanted in value):
            return Seen(True, f"{self.field} is {json.dumps(value)}")
        where = f"{self.key} in ConfigMap {self.namespace}/{self.configMap}"
        if isinstance(self.default, list):
            return Seen(False, f"{self.field} lacks {json.dumps(self.wanted)}; add it under {where}")
        return Seen(False, f"{self.field} is {json.dumps(value)}; set it to {json.dumps(self.wanted)} under {where}")


class ObjectOf(_Detection):
    """An object that is there and, if it is to have one, in good condition."""

    by: Literal["object"]
    version: str
    """``GROUP/VERSION``, or ``v1``."""
    plural: str
    name: str
    namespace: str = ""
    condition: str = ""

    def look(self, cluster: ClusterView) -> Seen:
        """Return what is seen."""
        found = cluster.find(Resource(self.version, self.plural, self.namespace), self.name)
        if found is None:
            return Seen(False, f"there is no {self.name} among {self.plural}")
        if self.condition:
            conditions = (found.get("status") or {}).get("conditions") or []
            state: Object = next((item for item in conditions if item["type"] == self.condition), {})
            if state.get("status") != "True":
                reason = f": {state['message']}" if state.get("message") else ""
                return Seen(False, f"{self.name} is not {self.condition}{reason}")
        return Seen(True, self.name)


class Storage(_Detection):
    """A StorageClass, or the default one, that makes volumes with an access mode."""

    by: Literal["storage"]
    access: str
    name: str = ""
    """Empty means the default."""

    def look(self, cluster: ClusterView) -> Seen:
        """Return what is seen."""
        known = ", ".join(item["metadata"]["name"] for item in cluster.storage_classes) or "none"
        for item in cluster.storage_classes:
            name, annotations = item["metadata"]["name"], item["metadata"].get("annotations") or {}
            if self.name == name or (not self.name and annotations.get(DEFAULT_CLASS) == "true"):
                if self.access == "ReadWriteMany" and BLOCK_STORAGE.search(item["provisioner"]):
                    text = f"volumes of {name} ({item['provisioner']}) are mounted by one node, not {self.access}"
                    return Seen(False, f"{text}; name a class of shared files in platform.yaml")
                return Seen(True, f"{name} ({item['provisioner']})")
        wanted = f"there is no StorageClass {self.name}" if self.name else "no StorageClass is the default"
        return Seen(False, f"{wanted}; there are: {known}")


class Secrets(_Detection):
    """Secrets, by ``namespace/name``. What is in them is not looked at."""

    by: Literal["secrets"]
    names: list[str]

    def look(self, cluster: ClusterView) -> Seen:
        """Return what is seen."""
        missing = []
        for full_name in self.names:
            namespace, _, name = full_name.partition("/")
            if not cluster.allows(Permission("", "secrets", namespace), "get"):
                return Seen(True, f"you may not see the secrets of {namespace}", certain=False)
            if cluster.find(Resource("v1", "secrets", namespace), name) is None:
                missing.append(full_name)
        return Seen(not missing, f"there is no {', '.join(missing)}" if missing else f"all {len(self.names)} are there")


class Permissions(_Detection):
    """What the caller may do: make and change every object of the overlay."""

    by: Literal["permissions"]

    def look(self, cluster: ClusterView) -> Seen:
        """Return what is seen."""
        permissions = cluster.permissions
        if permissions is None:
            return Seen(True, "kubectl is not here to render the overlay, so this was not looked at", certain=False)
        refused = [
            f"{verb} {permission}"
            for permission in permissions
            for verb in ("create", "patch")
            if not cluster.allows(permission, verb)
        ]
        if refused:
            more = f" and {len(refused) - 3} more" if len(refused) > 3 else ""
            return Seen(False, f"you may not {', '.join(refused[:3])}{more}")
        return Seen(True, f"{len(permissions)} kinds of objects")


Detection = Annotated[
    Server | Api | Operator | Annotation | Setting | ObjectOf | Storage | Secrets | Permissions,
    Field(discriminator="by"),
]


def is_older(version: str, minimum: str) -> bool:
    """Whether a version, as ``v0.20.1-rc1``, comes before another."""
    return _numbers(version) < _numbers(minimum)


def _numbers(text: Any) -> tuple[int, ...]:
    matched = re.match(r"v?(\d+(?:\.\d+)*)", str(text))
    return tuple(int(part) for part in matched[1].split(".")) if matched else ()
