"""What each role may do stands in ``roles.yaml``, too: who widens a role has to say so there."""

from collections.abc import Iterator

from ..complaints import Complaint
from ..objects import Object, name_of, namespace_of
from ..render import Render

TABLE = "tests/unit/manifests/roles.yaml"


def check(render: Render) -> Iterator[Complaint]:
    declared = {full_name(role): role for role in render.of("Role", "ClusterRole")}
    for name, role in declared.items():
        granted, listed = granted_by(role), render.roles.get(name) or {}
        for resource in sorted({*granted, *listed}):
            given, written = granted.get(resource, ""), " ".join(sorted(listed.get(resource, "").split()))
            if given != written:
                problem = f"grants {given or 'nothing'} on {resource}, the table says {written or 'nothing'}"
                yield Complaint(role, "rules", problem, f"correct the role, or {name} in {TABLE}")
    for name in sorted(set(render.roles) - set(declared)):
        policy = next(render.of("Role"), render.objects[0])
        yield Complaint(policy, "", f"{TABLE} lists {name}, which there is not", "correct the table")


def full_name(role: Object) -> str:
    """Return how the table calls a role: ``namespace/name``, or the name of a ClusterRole."""
    return f"{namespace_of(role)}/{name_of(role)}" if namespace_of(role) else name_of(role)


def granted_by(role: Object) -> dict[str, str]:
    """Return the verbs, sorted, on each resource: ``plural.group``, with the names that it is limited to."""
    granted: dict[str, set[str]] = {}
    for rule in role.get("rules") or []:
        names = f" ({', '.join(sorted(rule['resourceNames']))})" if rule.get("resourceNames") else ""
        for group in rule.get("apiGroups") or []:
            for resource in rule.get("resources") or []:
                key = f"{resource}.{group}{names}" if group else f"{resource}{names}"
                granted.setdefault(key, set()).update(rule["verbs"])
    return {resource: " ".join(sorted(verbs)) for resource, verbs in granted.items()}
