"""A pod has a token of the Kubernetes API only if its service account may do something there."""

from collections.abc import Iterator

from ..complaints import Complaint
from ..objects import name_of, namespace_of
from ..pods import Pod, pods
from ..render import Render


def check(render: Render) -> Iterator[Complaint]:
    bound = bound_accounts(render)
    used: set[tuple[str, str]] = set()
    for pod in pods(render):
        account = account_of(pod)
        used.add((pod.namespace, account))
        where = f"{pod.path}.automountServiceAccountToken"
        if account == "default":
            problem = "runs as the namespace's default account"
            yield Complaint(pod.owner, f"{pod.path}.serviceAccountName", problem, "give it an account of its own")
        if mounts_token(pod, render) and (pod.namespace, account) not in bound:
            problem = f"has a token of {account}, to which no role is bound"
            yield Complaint(pod.owner, where, problem, "set it to false")
        if not mounts_token(pod, render) and (pod.namespace, account) in bound and not _projects_token(pod):
            problem = f"has no token, though {account} has a role"
            yield Complaint(pod.owner, where, problem, "set it to true, or give it an account without a role")
    for account_object in render.of("ServiceAccount"):
        identity = (namespace_of(account_object), name_of(account_object))
        if identity not in used and identity not in bound:
            yield Complaint(account_object, "", "no pod uses it and no role is bound to it", "remove it")


def account_of(pod: Pod) -> str:
    """Return the name of a pod's service account."""
    return str(pod.spec.get("serviceAccountName") or "default")


def mounts_token(pod: Pod, render: Render) -> bool:
    """Whether the API's token lies in the pod: the pod says it, or else its account, or else it does."""
    said = pod.spec.get("automountServiceAccountToken")
    account = render.find("ServiceAccount", account_of(pod), pod.namespace) or {}
    return bool(said if said is not None else account.get("automountServiceAccountToken", True))


def bound_accounts(render: Render) -> set[tuple[str, str]]:
    """Return namespace and name of each service account to which a role is bound."""
    subjects = (
        (subject.get("namespace", namespace_of(binding)), subject["name"])
        for binding in render.of("RoleBinding", "ClusterRoleBinding")
        for subject in binding.get("subjects") or []
        if subject["kind"] == "ServiceAccount"
    )
    return set(subjects)


def _projects_token(pod: Pod) -> bool:
    """Whether a volume holds a token, for one audience and a limited time."""
    volumes = pod.spec.get("volumes") or []
    return any("serviceAccountToken" in source for v in volumes for source in v.get("projected", {}).get("sources", []))
