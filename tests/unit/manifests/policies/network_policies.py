"""A namespace of ours refuses what no policy admits, and each policy is about something."""

from collections.abc import Iterator

from ..complaints import Complaint
from ..label_selectors import matches
from ..network import Party, outsiders, workloads
from ..objects import namespace_of
from ..render import Render


def check(render: Render) -> Iterator[Complaint]:
    for name, namespace in render.namespaces.items():
        closed = [item["spec"] for item in render.of("NetworkPolicy") if namespace_of(item) == name]
        closed = [spec for spec in closed if not any(spec.get(key) for key in ("podSelector", "ingress", "egress"))]
        if not any(set(spec.get("policyTypes") or []) == {"Ingress", "Egress"} for spec in closed):
            remedy = "add a NetworkPolicy with podSelector {}, policyTypes [Ingress, Egress] and no rule"
            yield Complaint(namespace, "", "no policy denies by default", remedy)
    parties = [*workloads(render), *outsiders(render), *_destinations(render)]
    for policy in render.of("NetworkPolicy"):
        spec, here = policy["spec"], namespace_of(policy)
        selector = spec.get("podSelector") or {}
        if not selector and here not in render.namespaces:
            problem = f"cuts off the pods of {here} that are not ours: the overlay does not make that namespace"
            yield Complaint(policy, "spec.podSelector", problem, "select app.kubernetes.io/part-of: mediareview")
        if selector and not any(party.namespace == here and matches(selector, party.labels) for party in parties):
            yield Complaint(policy, "spec.podSelector", "selects no pod", "correct the labels, or remove the policy")
        for way, peers in (("ingress", "from"), ("egress", "to")):
            for index, rule in enumerate(spec.get(way) or []):
                for number, peer in enumerate(rule.get(peers) or []):
                    chosen = peer.get("podSelector")
                    elsewhere = "namespaceSelector" in peer
                    known = (party for party in parties if elsewhere or party.namespace == here)
                    if chosen and not any(matches(chosen, party.labels) for party in known):
                        remedy = "correct the labels, or name whom you mean in callers.yaml"
                        where = f"spec.{way}[{index}].{peers}[{number}].podSelector"
                        yield Complaint(policy, where, "selects no pod that is known", remedy)


def _destinations(render: Render) -> Iterator[Party]:
    """Yield the pods of others that ours call."""
    yield Party("dns", "kube-system", {"k8s-app": "kube-dns"})
    for name, known in (render.callers.get("destinations") or {}).items():
        if "namespace" in known:
            yield Party(name, known["namespace"], known.get("labels") or {})
