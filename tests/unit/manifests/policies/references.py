"""What a pod refers to is there: Secrets and ConfigMaps with the keys that it reads, volumes, accounts, priorities."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..complaints import Complaint
from ..objects import Object, at, name_of, namespace_of
from ..pods import Pod, pods
from ..render import Render

CERTIFICATE_KEYS = {"tls.crt", "tls.key", "ca.crt"}
OF_KUBERNETES = ("system-cluster-critical", "system-node-critical")


@dataclass(frozen=True)
class Reference:
    """A pod's use of a Secret or ConfigMap."""

    kind: str
    name: str
    path: str
    key: str = ""
    """The key that it reads; empty if it takes all."""


def check(render: Render) -> Iterator[Complaint]:
    secrets = known_secrets(render)
    config_maps = {
        (namespace_of(item), name_of(item)): {*(item.get("data") or {}), *(item.get("binaryData") or {})}
        for item in render.of("ConfigMap")
    }
    for pod in pods(render):
        for reference in references_of(pod):
            known = secrets if reference.kind == "Secret" else config_maps
            keys = known.get((pod.namespace, reference.name))
            what = f"{reference.kind} {pod.namespace}/{reference.name}"
            if keys is None:
                remedy = (
                    "declare it" if reference.kind == "ConfigMap" else "add an ExternalSecret, or let a script make it"
                )
                yield Complaint(pod.owner, reference.path, f"nothing makes {what}", remedy)
            elif reference.key and reference.key not in keys:
                problem = f"{what} has no key {reference.key}"
                yield Complaint(pod.owner, reference.path, problem, f"use one of {', '.join(sorted(keys))}")
        yield from _others(pod, render)
    for account in render.of("ServiceAccount"):
        for listed in [*(account.get("secrets") or []), *(account.get("imagePullSecrets") or [])]:
            if (namespace_of(account), listed["name"]) not in secrets:
                problem = f"nothing makes Secret {listed['name']}"
                yield Complaint(account, "secrets", problem, "add an ExternalSecret, or let a script make it")


def known_secrets(render: Render) -> dict[tuple[str, str], set[str]]:
    """Return the keys of every Secret that will be there, by namespace and name."""
    known: dict[tuple[str, str], set[str]] = {}
    for item in render.of("ExternalSecret"):
        template = at(item, "spec.target.template.data") or {}
        keys = set(template) or {entry["secretKey"] for entry in item["spec"].get("data") or []}
        known[namespace_of(item), at(item, "spec.target.name", name_of(item))] = keys
    for item in render.of("Certificate"):
        known[namespace_of(item), item["spec"]["secretName"]] = CERTIFICATE_KEYS
    for item in render.secrets:
        known[namespace_of(item), name_of(item)] = {*(item.get("stringData") or {}), *(item.get("data") or {})}
    return known


def references_of(pod: Pod) -> Iterator[Reference]:
    """Yield what a pod reads of Secrets and ConfigMaps; what it marks as optional may be missing."""
    for path, container in pod.containers():
        for variable in container.get("env") or []:
            for kind, field in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
                source = at(variable, f"valueFrom.{field}")
                if source and not source.get("optional"):
                    yield Reference(kind, source["name"], f"{path}.env[{variable['name']}]", source["key"])
        for index, source in enumerate(container.get("envFrom") or []):
            for kind, field in (("Secret", "secretRef"), ("ConfigMap", "configMapRef")):
                if field in source and not source[field].get("optional"):
                    yield Reference(kind, source[field]["name"], f"{path}.envFrom[{index}]")
    for volume in pod.spec.get("volumes") or []:
        path = f"{pod.path}.volumes[{volume['name']}]"
        for source in [volume, *at(volume, "projected.sources", [])]:
            yield from _mounted(source, path)
    for listed in pod.spec.get("imagePullSecrets") or []:
        yield Reference("Secret", listed["name"], f"{pod.path}.imagePullSecrets")


def _mounted(source: dict[str, Any], path: str) -> Iterator[Reference]:
    for kind, field in (("Secret", "secret"), ("ConfigMap", "configMap")):
        mounted = source.get(field)
        if not mounted or mounted.get("optional"):
            continue
        name = mounted.get("secretName") or mounted.get("name")
        items = mounted.get("items") or []
        if not items:
            yield Reference(kind, name, path)
        for item in items:
            yield Reference(kind, name, path, item["key"])


def _others(pod: Pod, render: Render) -> Iterator[Complaint]:
    account = pod.spec.get("serviceAccountName")
    if account and render.find("ServiceAccount", account, pod.namespace) is None:
        yield _missing(pod, "serviceAccountName", f"ServiceAccount {account}")
    priority = pod.spec.get("priorityClassName")
    if priority and priority not in OF_KUBERNETES and render.find("PriorityClass", priority) is None:
        yield _missing(pod, "priorityClassName", f"PriorityClass {priority}")
    claimed = {template["metadata"]["name"] for template in at(pod.owner, "spec.volumeClaimTemplates") or []}
    volumes = {volume["name"]: volume for volume in pod.spec.get("volumes") or []}
    for volume in volumes.values():
        claim = at(volume, "persistentVolumeClaim.claimName")
        if claim and render.find("PersistentVolumeClaim", claim, pod.namespace) is None:
            yield _missing(pod, f"volumes[{volume['name']}]", f"PersistentVolumeClaim {claim}")
    for path, container in pod.containers():
        for mount in container.get("volumeMounts") or []:
            if mount["name"] not in volumes and mount["name"] not in claimed:
                problem = f"there is no volume {mount['name']}"
                yield Complaint(pod.owner, f"{path}.volumeMounts", problem, "declare it")


def _missing(pod: Pod, field: str, what: str) -> Complaint:
    item: Object = pod.owner
    return Complaint(item, f"{pod.path}.{field}", f"there is no {what}", "declare it")
