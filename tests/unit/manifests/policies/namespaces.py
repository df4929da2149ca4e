"""Everything says its namespace, and a namespace of ours admits only restricted pods."""

from collections.abc import Iterator

from ..complaints import Complaint
from ..objects import labels_of, namespace_of
from ..render import Render
from ..schemas import is_built_in, own_crds, published_crds

CLUSTER_KINDS = (
    *("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass", "Namespace", "PersistentVolume"),
    *("PriorityClass", "RuntimeClass", "StorageClass", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
)


def check(render: Render) -> Iterator[Complaint]:
    for item in render.objects:
        namespaced = item["kind"] not in CLUSTER_KINDS
        if not is_built_in(item):
            known = next((crds for crds in (published_crds(), own_crds()) if crds.defines(item)), None)
            namespaced = known.is_namespaced(item) if known else bool(namespace_of(item))
        if namespaced and not namespace_of(item):
            remedy = "set it, or it lands where the caller's context is"
            yield Complaint(item, "metadata.namespace", "names no namespace", remedy)
        if not namespaced and namespace_of(item):
            yield Complaint(item, "metadata.namespace", "an object of the cluster has none", "remove it")
    for namespace in render.of("Namespace"):
        for mode in ("enforce", "audit", "warn"):
            level = labels_of(namespace).get(f"pod-security.kubernetes.io/{mode}")
            if level != "restricted":
                problem = f"pod-security.kubernetes.io/{mode} is {level}"
                yield Complaint(namespace, "metadata.labels", problem, "set it to restricted")
