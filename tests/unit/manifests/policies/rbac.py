"""Roles give the least: nothing by wildcard, no way to more rights, no secrets to people."""

from collections.abc import Iterator

from ..complaints import Complaint
from ..objects import Object, name_of, namespace_of
from ..render import Render

ESCALATING_VERBS = ("bind", "escalate", "impersonate")
ENTERING = ("pods/attach", "pods/ephemeralcontainers", "pods/exec", "nodes/proxy", "pods/proxy", "services/proxy")
READING_VERBS = ("get", "list", "watch")
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "use", "watch", *ESCALATING_VERBS)
RESOURCES = {
    "": (
        *("bindings", "configmaps", "endpoints", "events", "limitranges", "namespaces", "nodes", "nodes/proxy"),
        *(
            "persistentvolumeclaims",
            "persistentvolumes",
            "pods",
            "pods/attach",
            "pods/ephemeralcontainers",
            "pods/eviction",
        ),
        *("pods/exec", "pods/log", "pods/portforward", "pods/proxy", "pods/status", "resourcequotas", "secrets"),
        *("serviceaccounts", "serviceaccounts/token", "services", "services/proxy"),
    ),
    "apps": (
        *("controllerrevisions", "daemonsets", "deployments", "deployments/scale", "deployments/status", "replicasets"),
        *("replicasets/scale", "statefulsets", "statefulsets/scale", "statefulsets/status"),
    ),
    "autoscaling": ("horizontalpodautoscalers", "horizontalpodautoscalers/status"),
    "batch": ("cronjobs", "cronjobs/status", "jobs", "jobs/status"),
    "networking.k8s.io": ("ingresses", "networkpolicies"),
    "policy": ("poddisruptionbudgets", "poddisruptionbudgets/status"),
}
"""What there is in Kubernetes' own groups. A rule on anything else grants nothing, silently."""
BINDINGS = ("RoleBinding", "ClusterRoleBinding")
POWERFUL = ("admin", "cluster-admin", "edit")


def check(render: Render) -> Iterator[Complaint]:
    for role in render.of("Role", "ClusterRole"):
        people = _has_people(role, render)
        for index, rule in enumerate(role.get("rules") or []):
            yield from _rule(role, f"rules[{index}]", rule, people=people)
        if not list(_bindings_of(role, render)):
            yield Complaint(role, "", "is bound to nobody", "bind it or remove it")
    for binding in render.of(*BINDINGS):
        yield from _binding(binding, render)


def _rule(role: Object, path: str, rule: Object, *, people: bool) -> Iterator[Complaint]:
    verbs, resources = rule.get("verbs") or [], rule.get("resources") or []
    for field in ("apiGroups", "resources", "verbs"):
        if any("*" in value for value in rule.get(field) or []):
            yield Complaint(role, f"{path}.{field}", "grants by wildcard", "list what is needed")
    for group in rule.get("apiGroups") or []:
        known = RESOURCES.get(group)
        for resource in sorted(set(resources) - set(known or resources) - {"*"}):
            problem = f"there is no {resource} in group {group!r}"
            yield Complaint(role, f"{path}.resources", problem, "correct it: it grants nothing")
        for verb in sorted(set(verbs) - set(VERBS) - {"*"}) if known else ():
            yield Complaint(role, f"{path}.verbs", f"there is no verb {verb}", "correct it: it grants nothing")
    for verb in sorted(set(verbs) & set(ESCALATING_VERBS)):
        yield Complaint(role, f"{path}.verbs", f"{verb} leads to every right", "remove it")
    for resource in sorted(set(resources) & set(ENTERING)):
        yield Complaint(role, f"{path}.resources", f"{resource} leads into pods and to their secrets", "remove it")
    if "secrets" in resources and set(verbs) & set(READING_VERBS):
        if people:
            yield Complaint(role, f"{path}.resources", "lets people read secrets", "remove it")
        elif not rule.get("resourceNames") or set(verbs) & {"list", "watch"}:
            remedy = "name the secrets in resourceNames, and allow get only"
            yield Complaint(role, f"{path}.resources", "lets an account read every secret", remedy)
    if "serviceaccounts/token" in resources:
        yield Complaint(role, f"{path}.resources", "makes tokens of other accounts", "remove it")


def _bindings_of(role: Object, render: Render) -> Iterator[Object]:
    for binding in render.of(*BINDINGS):
        reference = binding["roleRef"]
        here = role["kind"] == "ClusterRole" or namespace_of(binding) == namespace_of(role)
        if here and (reference["kind"], reference["name"]) == (role["kind"], name_of(role)):
            yield binding


def _has_people(role: Object, render: Render) -> bool:
    subjects = (subject for binding in _bindings_of(role, render) for subject in binding.get("subjects") or [])
    return any(subject["kind"] in ("Group", "User") for subject in subjects)


def _binding(binding: Object, render: Render) -> Iterator[Complaint]:
    reference = binding["roleRef"]
    if reference["name"] in POWERFUL and reference["kind"] == "ClusterRole":
        yield Complaint(binding, "roleRef", f"binds {reference['name']}", "declare a Role with what is needed")
    elif render.find(reference["kind"], reference["name"], _namespace_of_role(binding)) is None:
        problem = f"there is no {reference['kind']} {reference['name']}"
        yield Complaint(binding, "roleRef", problem, "correct the name")
    for index, subject in enumerate(binding.get("subjects") or []):
        path = f"subjects[{index}]"
        if subject["kind"] == "ServiceAccount":
            where = subject.get("namespace", namespace_of(binding))
            if render.find("ServiceAccount", subject["name"], where) is None:
                problem = f"there is no ServiceAccount {where}/{subject['name']}"
                yield Complaint(binding, path, problem, "correct the name")
        elif subject["name"].startswith("system:"):
            yield Complaint(binding, path, f"{subject['name']} is everybody, or more", "name a group of people")
    if not binding.get("subjects"):
        yield Complaint(binding, "subjects", "binds nobody", "name somebody, or remove it")


def _namespace_of_role(binding: Object) -> str:
    return namespace_of(binding) if binding["roleRef"]["kind"] == "Role" else ""
