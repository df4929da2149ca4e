"""Nobody reaches more outside the overlay than it needs: ``callers.yaml`` lists the destinations and who needs them.

Everybody may resolve names. Nobody may reach the internet whom the table does not name.
"""

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from ..complaints import Complaint
from ..network import ANYWHERE, Network, Party, outsiders, workloads
from ..render import Render
from .callers import TABLE, owner_of

DNS = Party("dns", "kube-system", {"k8s-app": "kube-dns"})
COMMON_PORTS = (80, 443)
INTERNET = {"cidr": str(ANYWHERE[0]), "ports": [443], "callers": []}


def check(render: Render) -> Iterator[Complaint]:
    network = Network(render)
    listed = render.callers.get("destinations") or {}
    destinations = {**listed, "internet": {**INTERNET, **(listed.get("internet") or {})}}
    parties = [party for party in [*workloads(render), *outsiders(render)] if party.governed]
    for party in parties:
        unresolved = [protocol for protocol in ("UDP", "TCP") if not network.lets_out(party, DNS, 53, protocol)]
        if unresolved:
            problem = f"{party.name} may not resolve names by {' and '.join(unresolved)}"
            remedy = "let its namespace's DNS policy select it"
            yield Complaint(owner_of(party, render), "", problem, remedy)
        for name, known in destinations.items():
            yield from _reached(party, name, known, network, render)
    names = {party.name for party in parties}
    for name, known in destinations.items():
        for caller in sorted(set(known.get("callers") or []) - names):
            policy = next(render.of("NetworkPolicy"), render.objects[0])
            problem = f"{TABLE} lets {caller} reach {name}, but there is no {caller}"
            yield Complaint(policy, "", problem, "correct the table")


def _reached(party: Party, name: str, known: dict[str, Any], network: Network, render: Render) -> Iterator[Complaint]:
    """Compare who may reach a destination with who needs it."""
    if "cidr" in known:
        target = Party(name, addresses=(IPv4Network(known["cidr"]),))
    else:
        target = Party(name, known["namespace"], known.get("labels") or {})
    needed = party.name in (known.get("callers") or [])
    closed = [port for port in known["ports"] if not network.lets_out(party, target, port)]
    if needed and closed:
        problem = f"{party.name} may not open connections to {name} at port {_listed(closed)}"
        remedy = f"add it to the egress of a NetworkPolicy of {party.name}"
        yield Complaint(owner_of(party, render), "", problem, remedy)
    tried = sorted({*known["ports"], *COMMON_PORTS})
    opened = [port for port in tried if network.lets_out(party, target, port)]
    if opened and not needed:
        problem = f"{party.name} may open connections to {name} at port {_listed(opened)}"
        remedy = f"narrow the egress of its NetworkPolicies, or list it in {TABLE}"
        yield Complaint(owner_of(party, render), "", problem, remedy)


def _listed(ports: list[int]) -> str:
    return ", ".join(str(port) for port in ports)
