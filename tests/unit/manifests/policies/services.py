"""Every Service leads to pods and to a port that they have; every monitor scrapes one."""

from collections.abc import Iterator

from ..complaints import Complaint
from ..label_selectors import matches
from ..objects import Object, at, labels_of, namespace_of
from ..pods import Pod, pods, selected
from ..render import Render


def check(render: Render) -> Iterator[Complaint]:
    for service in render.of("Service"):
        kind = at(service, "spec.type", "ClusterIP")
        if kind != "ClusterIP":
            problem = f"{kind} opens a way past the gateway"
            yield Complaint(service, "spec.type", problem, "remove it: HTTPRoutes lead in")
        chosen = behind(service, render)
        if not chosen:
            yield Complaint(service, "spec.selector", "selects no pod", "correct the labels")
        for port in service["spec"].get("ports") or []:
            target = port.get("targetPort", port["port"])
            for pod in chosen:
                if not has_port(pod, target):
                    where = f"spec.ports[{port.get('name', port['port'])}].targetPort"
                    problem = f"{pod.owner['kind']} {pod.name} has no port {target}"
                    yield Complaint(service, where, problem, "correct it, or declare the container's port")
    for stateful in render.of("StatefulSet"):
        name = stateful["spec"].get("serviceName", "")
        if render.find("Service", name, namespace_of(stateful)) is None:
            yield Complaint(stateful, "spec.serviceName", f"there is no Service {name!r}", "declare it")
    yield from _service_monitors(render)
    yield from _pod_monitors(render)


def behind(service: Object, render: Render) -> list[Pod]:
    """Return the pods that a Service leads to."""
    selector = service["spec"].get("selector")
    return selected(render, {"matchLabels": selector}, namespace_of(service)) if selector else []


def has_port(pod: Pod, port: str | int) -> bool:
    """Whether a pod declares a port of this name or number."""
    return port in (pod.ports() if isinstance(port, str) else pod.port_numbers())


def _service_monitors(render: Render) -> Iterator[Complaint]:
    for monitor in render.of("ServiceMonitor"):
        here = [item for item in render.of("Service") if namespace_of(item) == namespace_of(monitor)]
        chosen = [item for item in here if matches(monitor["spec"]["selector"], labels_of(item))]
        if not chosen:
            yield Complaint(monitor, "spec.selector", "selects no Service", "correct the labels")
        for endpoint in monitor["spec"]["endpoints"]:
            for service in chosen:
                if endpoint.get("port") not in [port.get("name") for port in service["spec"]["ports"]]:
                    problem = f"Service {service['metadata']['name']} has no port named {endpoint.get('port')}"
                    yield Complaint(monitor, "spec.endpoints", problem, "name one of its ports")


def _pod_monitors(render: Render) -> Iterator[Complaint]:
    for monitor in render.of("PodMonitor"):
        here = [pod for pod in pods(render) if pod.namespace == namespace_of(monitor)]
        chosen = [pod for pod in here if matches(monitor["spec"]["selector"], pod.labels)]
        if not chosen:
            yield Complaint(monitor, "spec.selector", "selects no pod", "correct the labels")
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            for pod in chosen:
                if endpoint.get("port") not in pod.ports():
                    problem = f"{pod.owner['kind']} {pod.name} has no port named {endpoint.get('port')}"
                    yield Complaint(monitor, "spec.podMetricsEndpoints", problem, "name one of its ports")
