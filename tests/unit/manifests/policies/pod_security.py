"""Every container is restricted: no root, no privilege, no way into the node, nothing written outside its volumes."""

from collections.abc import Iterator

from ..complaints import Complaint
from ..objects import Object, at
from ..pods import Pod, pods
from ..render import Render

HOST_FIELDS = ("hostNetwork", "hostPID", "hostIPC")
HARMLESS_CAPABILITIES = ("NET_BIND_SERVICE",)
VOLUMES = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")


def check(render: Render) -> Iterator[Complaint]:
    for pod in pods(render):
        yield from _pod(pod)
        for path, container in pod.containers():
            yield from _container(pod, path, container)


def _pod(pod: Pod) -> Iterator[Complaint]:
    for field in HOST_FIELDS:
        if pod.spec.get(field):
            yield Complaint(pod.owner, f"{pod.path}.{field}", "shares what is the node's", "remove it")
    for volume in pod.spec.get("volumes") or []:
        kinds = [kind for kind in volume if kind != "name"]
        if not set(kinds) <= set(VOLUMES):
            problem = f"a {kinds[0]} volume is not allowed"
            yield Complaint(
                pod.owner, f"{pod.path}.volumes[{volume['name']}]", problem, f"use one of {', '.join(VOLUMES)}"
            )


def _container(pod: Pod, path: str, container: Object) -> Iterator[Complaint]:
    own = container.get("securityContext") or {}
    both = {**(pod.spec.get("securityContext") or {}), **own}
    context = f"{path}.securityContext"
    if at(own, "privileged"):
        yield Complaint(pod.owner, f"{context}.privileged", "is root on the node", "remove it")
    if at(own, "allowPrivilegeEscalation") is not False:
        yield Complaint(pod.owner, f"{context}.allowPrivilegeEscalation", "may gain rights", "set it to false")
    if at(own, "readOnlyRootFilesystem") is not True:
        yield Complaint(pod.owner, f"{context}.readOnlyRootFilesystem", "may change its own code", "set it to true")
    elif "/tmp" not in {mount.get("mountPath") for mount in container.get("volumeMounts") or []}:
        yield Complaint(pod.owner, f"{path}.volumeMounts", "cannot write to /tmp", "mount an emptyDir there")
    if at(own, "capabilities.drop") != ["ALL"]:
        yield Complaint(pod.owner, f"{context}.capabilities.drop", "keeps capabilities", "set it to [ALL]")
    for added in at(own, "capabilities.add") or []:
        if added not in HARMLESS_CAPABILITIES:
            yield Complaint(pod.owner, f"{context}.capabilities.add", f"{added} is too much", "remove it")
    if both.get("runAsNonRoot") is not True:
        yield Complaint(pod.owner, f"{context}.runAsNonRoot", "may be root", "set it to true, here or for the pod")
    if not both.get("runAsUser"):
        problem = f"user {both.get('runAsUser')} is root or the image's choice"
        yield Complaint(pod.owner, f"{context}.runAsUser", problem, "set 10001, here or for the pod")
    if at(both, "seccompProfile.type") != "RuntimeDefault":
        remedy = "set type RuntimeDefault, here or for the pod"
        yield Complaint(pod.owner, f"{context}.seccompProfile", "may make every system call", remedy)
