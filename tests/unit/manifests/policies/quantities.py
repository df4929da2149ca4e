"""Quantities can be read, and a request is not above its limit."""

from collections.abc import Callable, Iterator
from decimal import Decimal

from ..complaints import Complaint
from ..objects import Object, at, nodes
from ..pods import pods
from ..quantities import parse_quantity, parse_spark_memory
from ..render import Render


def check(render: Render) -> Iterator[Complaint]:
    for pod in pods(render):
        for path, container in pod.containers():
            read: Callable[[object], Decimal] = parse_quantity
            if container["name"].startswith("spark-kubernetes-"):
                read = _quantity_or_spark_memory
            yield from _resources(pod.owner, path, container, read)
        for volume in pod.spec.get("volumes") or []:
            size = at(volume, "emptyDir.sizeLimit")
            if size is not None:
                yield from _readable(pod.owner, f"{pod.path}.volumes[{volume['name']}].emptyDir.sizeLimit", size)
    for item in render.of("PersistentVolumeClaim", "StatefulSet"):
        for path, node in nodes(item):
            if path.endswith("resources.requests") and "storage" in node:
                yield from _readable(item, f"{path}.storage", node["storage"])


def _resources(item: Object, path: str, container: Object, read: Callable[[object], Decimal]) -> Iterator[Complaint]:
    resources = container.get("resources") or {}
    values: dict[tuple[str, str], Decimal] = {}
    for bound in ("requests", "limits"):
        for name, text in (resources.get(bound) or {}).items():
            try:
                values[bound, name] = read(text)
            except ValueError as error:
                yield Complaint(item, f"{path}.resources.{bound}.{name}", str(error), "write it as 500m or 1Gi")
    for bound, name in list(values):
        limit = values.get(("limits", name))
        if bound == "requests" and limit is not None and values[bound, name] > limit:
            problem = f"{resources['requests'][name]} is above the limit {resources['limits'][name]}"
            yield Complaint(item, f"{path}.resources.requests.{name}", problem, "raise the limit or lower the request")


def _readable(item: Object, path: str, text: object) -> Iterator[Complaint]:
    try:
        parse_quantity(text)
    except ValueError as error:
        yield Complaint(item, path, str(error), "write it as 1Gi")


def _quantity_or_spark_memory(text: object) -> Decimal:
    try:
        return parse_spark_memory(text)
    except ValueError:
        return parse_quantity(text)
