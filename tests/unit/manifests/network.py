"""NetworkPolicies, as a network plugin enforces them: may this pod open a connection to that one?

Probes are not modelled: what the kubelet of a pod's node sends is always admitted. Of an ``ipBlock``, plugins differ in
whether it covers pods; here it does if it covers one of the addresses that pods usually have.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

from .label_selectors import matches
from .objects import Object, labels_of, namespace_of
from .pods import pods
from .render import Render

USUAL_POD_ADDRESSES = tuple(
    IPv4Network(address) for address in ("10.244.1.7", "10.0.3.7", "172.17.0.7", "192.168.7.7", "100.64.1.7")
)
ANYWHERE = (IPv4Network("203.0.113.7/32"),)
"""An address of nobody in particular."""

ARBITRARY_PORT = 1
"""Stands for every port that no policy names."""


@dataclass(frozen=True)
class Party:
    """One end of a connection: the pods of a workload, or addresses."""

    name: str
    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    """Numbers of the named container ports."""
    addresses: tuple[IPv4Network, ...] = USUAL_POD_ADDRESSES
    governed: bool = False
    """Whether the overlay's policies are to isolate it."""


class Network:
    """The policies of an overlay, and the labels of namespaces."""

    def __init__(self, render: Render) -> None:
        self._policies = list(render.of("NetworkPolicy"))
        self._namespaces = {name: labels_of(item) for name, item in render.namespaces.items()}

    def isolates(self, party: Party, direction: str) -> bool:
        """Whether any policy selects a party for ``Ingress`` or ``Egress``: what none admits is then refused."""
        return any(self._selecting(party, direction))

    def admits(self, source: Party, target: Party, port: int, protocol: str = "TCP") -> bool:
        """Whether the target's policies let the source in."""
        rules = self._rules(target, "Ingress")
        return rules is None or any(
            self._peers_match(policy, rule.get("from"), source)
            and _ports_match(rule.get("ports"), target, port, protocol)
            for policy, rule in rules
        )

    def lets_out(self, source: Party, target: Party, port: int, protocol: str = "TCP") -> bool:
        """Whether the source's policies let it out to the target."""
        rules = self._rules(source, "Egress")
        return rules is None or any(
            self._peers_match(policy, rule.get("to"), target)
            and _ports_match(rule.get("ports"), target, port, protocol)
            for policy, rule in rules
        )

    def named_ports(self) -> set[int]:
        """Return the numbers that any policy names, and the arbitrary port."""
        specs = [item["spec"] for item in self._policies]
        rules = [rule for spec in specs for way in ("ingress", "egress") for rule in spec.get(way) or []]
        listed = (port.get("port") for rule in rules for port in rule.get("ports") or [])
        return {port for port in listed if isinstance(port, int)} | {ARBITRARY_PORT}

    def _selecting(self, party: Party, direction: str) -> Iterator[Object]:
        for policy in self._policies:
            spec = policy["spec"]
            types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
            here = namespace_of(policy) == party.namespace
            if here and direction in types and matches(spec.get("podSelector", {}), party.labels):
                yield policy

    def _rules(self, party: Party, direction: str) -> list[tuple[Object, dict[str, Any]]] | None:
        """Return what the policies of a party admit; None if none isolates it."""
        selecting = list(self._selecting(party, direction))
        if not selecting:
            return None
        return [(policy, rule) for policy in selecting for rule in policy["spec"].get(direction.lower()) or []]

    def _peers_match(self, policy: Object, peers: list[dict[str, Any]] | None, party: Party) -> bool:
        return not peers or any(self._peer_matches(policy, peer, party) for peer in peers)

    def _peer_matches(self, policy: Object, peer: dict[str, Any], party: Party) -> bool:
        if "ipBlock" in peer:
            return any(_overlap(peer["ipBlock"], network) for network in party.addresses)
        if not party.namespace:
            return False
        if "namespaceSelector" in peer:
            labels = {**self._namespaces.get(party.namespace, {}), "kubernetes.io/metadata.name": party.namespace}
            here = matches(peer["namespaceSelector"], labels)
        else:
            here = namespace_of(policy) == party.namespace
        return here and matches(peer.get("podSelector", {}), party.labels)


def workloads(render: Render) -> list[Party]:
    """Return the pods of the overlay as ends of connections."""
    return [Party(pod.name, pod.namespace, pod.labels, pod.ports(), governed=True) for pod in pods(render)]


def outsiders(render: Render) -> list[Party]:
    """Return the pods that others make, as ``callers.yaml`` names them.

    The overlay's policies govern those in its own namespaces, as the steps of pipeline runs.
    """
    return [
        Party(name, known["namespace"], known.get("labels") or {}, governed=known["namespace"] in render.our_namespaces)
        for name, known in (render.callers.get("outsiders") or {}).items()
    ]


def _ports_match(ports: list[dict[str, Any]] | None, target: Party, number: int, protocol: str) -> bool:
    return not ports or any(_port_matches(port, target, number, protocol) for port in ports)


def _port_matches(port: dict[str, Any], target: Party, number: int, protocol: str) -> bool:
    if port.get("protocol", "TCP") != protocol:
        return False
    first = port.get("port")
    if first is None:
        return True
    if isinstance(first, str):
        return target.ports.get(first) == number
    return bool(first <= number <= port.get("endPort", first))


def _overlap(block: dict[str, Any], network: IPv4Network) -> bool:
    """Whether an ipBlock covers any address of a network."""
    covered = ipaddress.ip_network(block["cidr"])
    if not isinstance(covered, IPv4Network) or not covered.overlaps(network):
        return False
    left: Iterable[IPv4Network] = [covered if covered.subnet_of(network) else network]
    for excluded in block.get("except") or []:
        left = [rest for part in left for rest in _without(part, ipaddress.IPv4Network(excluded))]
    return bool(list(left))


def _without(network: IPv4Network, excluded: IPv4Network) -> Iterator[IPv4Network]:
    if network.subnet_of(excluded):
        return
    if excluded.subnet_of(network):
        yield from network.address_exclude(excluded)
    else:
        yield network
