"""What comes in finds its way: routes to Gateways and Services, certificates to listeners, policies to both."""

from collections.abc import Iterator

from ..complaints import Complaint
from ..objects import Object, at, name_of, namespace_of
from ..render import Render

ENVOY_POLICIES = ("BackendTrafficPolicy", "ClientTrafficPolicy", "SecurityPolicy")


def check(render: Render) -> Iterator[Complaint]:
    for gateway in render.of("Gateway"):
        yield from _gateway(gateway, render)
    for route in render.of("HTTPRoute"):
        yield from _route(route, render)
    for certificate in render.of("Certificate"):
        yield from _certificate(certificate, render)
    for policy in render.of(*ENVOY_POLICIES):
        yield from _policy(policy, render)


def _gateway(gateway: Object, render: Render) -> Iterator[Complaint]:
    made = {
        (namespace_of(item), item["spec"]["secretName"]): item["spec"].get("dnsNames") or []
        for item in render.of("Certificate")
    }
    for listener in gateway["spec"]["listeners"]:
        where = f"spec.listeners[{listener['name']}]"
        if listener["protocol"] != "HTTPS":
            continue
        for reference in at(listener, "tls.certificateRefs") or []:
            secret = (reference.get("namespace", namespace_of(gateway)), reference["name"])
            if secret not in made:
                problem = f"no Certificate makes Secret {reference['name']}"
                yield Complaint(gateway, f"{where}.tls.certificateRefs", problem, "declare one")
            elif listener.get("hostname") not in made[secret]:
                problem = f"the certificate is not for {listener.get('hostname')}"
                yield Complaint(gateway, f"{where}.hostname", problem, "add it to the Certificate's dnsNames")


def _route(route: Object, render: Render) -> Iterator[Complaint]:
    for parent in route["spec"]["parentRefs"]:
        gateway = render.find("Gateway", parent["name"], parent.get("namespace", namespace_of(route)))
        if gateway is None:
            yield Complaint(route, "spec.parentRefs", f"there is no Gateway {parent['name']}", "correct the name")
            continue
        listeners = [item for item in gateway["spec"]["listeners"] if parent.get("sectionName") in (None, item["name"])]
        if not listeners:
            problem = f"Gateway {parent['name']} has no listener {parent['sectionName']}"
            yield Complaint(route, "spec.parentRefs", problem, "name one of its listeners")
        for hostname in route["spec"].get("hostnames") or []:
            if listeners and not any(_admits(listener.get("hostname"), hostname) for listener in listeners):
                problem = f"no listener is for {hostname}"
                yield Complaint(route, "spec.hostnames", problem, "use the Gateway's hostname")
    for index, rule in enumerate(route["spec"].get("rules") or []):
        for reference in rule.get("backendRefs") or []:
            yield from _backend(route, f"spec.rules[{index}].backendRefs", reference, render)
        if not rule.get("backendRefs") and not rule.get("filters"):
            yield Complaint(route, f"spec.rules[{index}]", "leads nowhere", "add backendRefs")


def _backend(route: Object, path: str, reference: Object, render: Render) -> Iterator[Complaint]:
    service = render.find("Service", reference["name"], reference.get("namespace", namespace_of(route)))
    if service is None:
        yield Complaint(route, path, f"there is no Service {reference['name']}", "correct the name")
    elif reference.get("port") not in [port["port"] for port in service["spec"]["ports"]]:
        problem = f"Service {reference['name']} has no port {reference.get('port')}"
        yield Complaint(route, path, problem, "use one of spec.ports[].port")


def _certificate(certificate: Object, render: Render) -> Iterator[Complaint]:
    issuer = certificate["spec"]["issuerRef"]
    # A ClusterIssuer is the cluster's: the doctor looks for it.
    if issuer.get("kind", "Issuer") == "Issuer" and not render.find(
        "Issuer", issuer["name"], namespace_of(certificate)
    ):
        yield Complaint(certificate, "spec.issuerRef", f"there is no Issuer {issuer['name']}", "declare it")


def _policy(policy: Object, render: Render) -> Iterator[Complaint]:
    for reference in policy["spec"].get("targetRefs") or []:
        target = render.find(reference["kind"], reference["name"], namespace_of(policy))
        if target is None:
            problem = f"there is no {reference['kind']} {reference['name']}"
            yield Complaint(policy, "spec.targetRefs", problem, "correct the name")
        elif reference.get("sectionName") and reference["sectionName"] not in _sections(target):
            problem = f"{reference['kind']} {name_of(target)} has no section {reference['sectionName']}"
            yield Complaint(policy, "spec.targetRefs", problem, "name a listener or a rule")


def _sections(item: Object) -> list[str]:
    return [part["name"] for part in item["spec"].get("listeners") or item["spec"].get("rules") or [] if "name" in part]


def _admits(listener: str | None, hostname: str) -> bool:
    if listener is None or listener == hostname:
        return True
    return listener.startswith("*.") and hostname.endswith(listener[1:])
