"""Whoever calls a workload is admitted, and nobody else is: ``callers.yaml`` says who does.

Both ends must agree: the policies of the one called let the caller in, those of the caller let it out.
"""

from collections.abc import Iterator
from typing import Any

from ..complaints import Complaint
from ..label_selectors import matches
from ..network import ANYWHERE, Network, Party, outsiders, workloads
from ..objects import Object, namespace_of
from ..pods import Pod, pods
from ..render import Render

TABLE = "tests/unit/manifests/callers.yaml"


def check(render: Render) -> Iterator[Complaint]:
    network, parties = Network(render), [*workloads(render), *outsiders(render)]
    table = render.callers.get("callers") or {}
    yield from _unknown(render, table, {party.name for party in parties})
    yield from _unlisted(render, table)
    sources = [*parties, *_strangers(render, parties)]
    for target in parties:
        if not target.governed:
            continue
        owner = owner_of(target, render)
        for direction in ("Ingress", "Egress"):
            if not network.isolates(target, direction):
                problem = f"no NetworkPolicy isolates {target.name} for {direction}"
                yield Complaint(owner, "", problem, "let the default-deny policy select its pods")
        listed = table.get(target.name) or {}
        numbers = {key: target.ports.get(key, key) for key in listed if key != "any"}
        for key, number in numbers.items():
            if isinstance(number, int):
                yield from _called(
                    owner, f"port {key} of {target.name}", target, {number}, listed[key], sources, network
                )
            else:
                yield Complaint(owner, "", f"{TABLE} names a port {key}, which there is not", "correct the table")
        other = (network.named_ports() | set(target.ports.values())) - set(numbers.values())
        where = f"other ports of {target.name}"
        yield from _called(owner, where, target, other, listed.get("any") or [], sources, network)


def owner_of(party: Party, render: Render) -> Object:
    """Return the object that makes a party's pods; for an outsider, a policy."""
    made = (pod.owner for pod in pods(render) if pod.name == party.name)
    return next(made, next(render.of("NetworkPolicy"), render.objects[0]))


def _strangers(render: Render, parties: list[Party]) -> Iterator[Party]:
    """Yield those whom nobody should admit: unlabelled pods, and the world."""
    for namespace in sorted({"default", *render.our_namespaces, *(party.namespace for party in parties)}):
        yield Party(f"any pod of {namespace}", namespace)
    yield Party("any address", addresses=ANYWHERE)


def _called(
    owner: Object,
    where: str,
    target: Party,
    numbers: set[int],
    expected: list[str],
    sources: list[Party],
    network: Network,
) -> Iterator[Complaint]:
    """Compare who may open connections to a port, or to any of several, with who does."""
    admitted = {source.name for source in sources if any(network.admits(source, target, port) for port in numbers)}
    callers = [source for source in sources if source.name in expected]
    kept_out = [source.name for source in callers if source.name not in admitted]
    if kept_out:
        problem = f"{', '.join(kept_out)} may not call {where}"
        yield Complaint(owner, "", problem, "add them to a NetworkPolicy's ingress")
    extra = [source.name for source in sources if source.name in admitted and source.name not in expected]
    if extra:
        remedy = f"narrow the NetworkPolicy's ingress, or list them in {TABLE}"
        yield Complaint(owner, "", f"{', '.join(extra)} may call {where}", remedy)
    for source in callers:
        if not any(network.lets_out(source, target, port) for port in numbers):
            problem = f"{source.name} may not open connections to {where}"
            yield Complaint(owner, "", problem, f"add it to the egress of a NetworkPolicy of {source.name}")


def _unknown(render: Render, table: dict[str, Any], names: set[str]) -> Iterator[Complaint]:
    listed = {caller for ports in table.values() for who in ports.values() for caller in who}
    for name in sorted(({*table} | listed) - names):
        policy = next(render.of("NetworkPolicy"), render.objects[0])
        yield Complaint(policy, "", f"{TABLE} names {name}, which there is not", "correct the table")


def _unlisted(render: Render, table: dict[str, Any]) -> Iterator[Complaint]:
    """Complain of every port behind a Service, KServe's included, of which the table says nothing."""
    for service in render.of("Service"):
        selector = {"matchLabels": service["spec"].get("selector") or {}}
        for pod in pods(render):
            if pod.namespace == namespace_of(service) and matches(selector, pod.labels):
                for port in service["spec"]["ports"]:
                    yield from _is_listed(service, pod, port.get("targetPort", port["port"]), table)
    for pod in pods(render):
        if pod.owner["kind"] == "InferenceService":
            for name in pod.ports():
                yield from _is_listed(pod.owner, pod, name, table)


def _is_listed(item: Object, pod: Pod, port: str | int, table: dict[str, Any]) -> Iterator[Complaint]:
    names = {port, *(name for name, number in pod.ports().items() if port in (name, number))}
    if not names & set(table.get(pod.name) or {}):
        problem = f"{TABLE} does not say who calls port {port} of {pod.name}"
        yield Complaint(item, "", problem, "list its callers there")
