"""A server says when it is ready and whether it lives; a probe asks a port that it has."""

from collections.abc import Iterator

from ..complaints import Complaint
from ..objects import Object
from ..pods import Pod, pods
from ..render import Render
from .services import has_port


def check(render: Render) -> Iterator[Complaint]:
    for pod in pods(render):
        for path, container in pod.containers():
            if pod.serves and ".containers[" in path:
                if "readinessProbe" not in container:
                    yield Complaint(
                        pod.owner, path, "has no readinessProbe", "add one: it gets traffic before it is ready"
                    )
                if "livenessProbe" not in container and "startupProbe" not in container:
                    yield Complaint(pod.owner, path, "has no livenessProbe", "add one: it stays when it hangs")
            for name in ("startupProbe", "livenessProbe", "readinessProbe"):
                if name in container:
                    yield from _probe(pod, f"{path}.{name}", container[name])


def _probe(pod: Pod, path: str, probe: Object) -> Iterator[Complaint]:
    for way in ("httpGet", "tcpSocket", "grpc"):
        if way not in probe:
            continue
        port = probe[way].get("port")
        if not has_port(pod, port):
            problem = f"asks port {port}, which no container declares"
            yield Complaint(pod.owner, f"{path}.{way}.port", problem, "use one of the container's ports")
        if way == "httpGet" and not str(probe[way].get("path", "")).startswith("/"):
            problem = f"asks {probe[way].get('path')!r}"
            yield Complaint(pod.owner, f"{path}.{way}.path", problem, "begin it with /")
