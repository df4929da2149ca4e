"""NetworkPolicies mean what the Kubernetes documentation says they mean."""

from ipaddress import IPv4Network

import pytest
import yaml

from .network import Network, Party
from .objects import Object
from .render import Render

API = Party("api", "mediareview", {"app": "api"}, {"http": 8080})
STORE = Party("store", "mediareview", {"app": "store"}, {"redis": 6379})
STEP = Party("step", "pipelines", {"app": "step"})


def network(*specs: str) -> Network:
    """Return a network in whose namespace ``mediareview`` these policies, in YAML, are."""
    policies: list[Object] = [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": f"policy-{number}", "namespace": "mediareview"},
            "spec": yaml.safe_load(spec),
        }
        for number, spec in enumerate(specs)
    ]
    labels = {"team": "ml"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "pipelines", "labels": labels}}
    return Network(Render("test", [*policies, namespace], {}))


def store(ingress: str) -> Network:
    return network("{podSelector: {matchLabels: {app: store}}, ingress: [" + ingress + "]}")


def addresses(cidr: str) -> Party:
    return Party("address", addresses=(IPv4Network(cidr),))


def test_without_policies_everything_is_open() -> None:
    assert network().admits(API, STORE, 6379)
    assert network().lets_out(API, STORE, 6379)
    assert not network().isolates(STORE, "Ingress")


def test_a_policy_isolates_only_what_it_selects_and_only_in_its_directions() -> None:
    closed = network("{podSelector: {matchLabels: {app: store}}}")
    assert closed.isolates(STORE, "Ingress")
    assert not closed.isolates(STORE, "Egress")
    assert not closed.isolates(API, "Ingress")
    assert not closed.admits(API, STORE, 6379)
    assert network("{podSelector: {}, egress: []}").isolates(API, "Egress")


def test_policies_add_up() -> None:
    deny, allow = (
        "{podSelector: {}}",
        "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]}",
    )
    assert network(deny, allow).admits(API, STORE, 6379)


@pytest.mark.parametrize(
    ("peer", "admitted"),
    [
        ("{podSelector: {matchLabels: {app: api}}}", {"api"}),
        ("{podSelector: {}}", {"api"}),
        ("{namespaceSelector: {}}", {"api", "step"}),
        ("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: pipelines}}}", {"step"}),
        ("{namespaceSelector: {matchLabels: {team: ml}}}", {"step"}),
        ("{namespaceSelector: {}, podSelector: {matchLabels: {app: step}}}", {"step"}),
        ("{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [api]}]}}", set()),
        ("{podSelector: {matchExpressions: [{key: app, operator: Exists}]}}", {"api"}),
        ("{ipBlock: {cidr: 0.0.0.0/0}}", {"api", "step"}),
        ("{ipBlock: {cidr: 8.8.8.0/24}}", set()),
    ],
)
def test_a_peer_admits(peer: str, admitted: set[str]) -> None:
    policy = store("{from: [" + peer + "]}")
    assert {party.name for party in (API, STEP) if policy.admits(party, STORE, 6379)} == admitted


@pytest.mark.parametrize(
    ("port", "open_ports"),
    [
        ("{port: 6379}", {6379}),
        ("{port: redis}", {6379}),
        ("{port: http}", set()),
        ("{port: 6000, endPort: 7000}", {6379}),
        ("{port: 6379, protocol: UDP}", set()),
        ("{protocol: TCP}", {6379, 1}),
    ],
)
def test_a_port_admits(port: str, open_ports: set[int]) -> None:
    policy = store("{ports: [" + port + "]}")
    assert {number for number in (6379, 1) if policy.admits(API, STORE, number)} == open_ports


def test_a_named_port_of_egress_is_that_of_the_destination() -> None:
    policy = network(
        "{podSelector: {matchLabels: {app: api}}, policyTypes: [Egress], egress: [{ports: [{port: redis}]}]}"
    )
    assert policy.lets_out(API, STORE, 6379)
    assert not policy.lets_out(API, STORE, 8080)


@pytest.mark.parametrize(
    ("block", "cidr", "covers"),
    [
        ("{cidr: 10.0.0.0/8}", "10.1.0.0/16", True),
        ("{cidr: 10.1.0.0/16}", "10.0.0.0/8", True),
        ("{cidr: 10.0.0.0/8}", "11.0.0.0/8", False),
        ("{cidr: 0.0.0.0/0, except: [10.0.0.0/8]}", "10.1.0.0/16", False),
        ("{cidr: 0.0.0.0/0, except: [10.1.0.0/16]}", "10.0.0.0/8", True),
        ("{cidr: 10.0.0.0/8, except: [10.0.0.0/9, 10.128.0.0/9]}", "10.0.0.0/8", False),
        ("{cidr: '2001:db8::/32'}", "10.0.0.0/8", False),
    ],
)
def test_an_address_block_covers_a_network_but_for_its_exceptions(block: str, cidr: str, covers: bool) -> None:
    policy = network("{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: " + block + "}]}]}")
    assert policy.lets_out(API, addresses(cidr), 443) is covers


def test_named_ports_are_those_that_any_policy_names() -> None:
    assert store("{ports: [{port: 6379}, {port: redis}]}").named_ports() == {6379, 1}
