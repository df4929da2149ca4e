"""No object is there twice."""

from collections.abc import Iterator

from ..complaints import Complaint
from ..objects import group_of, name_of, namespace_of
from ..render import Render


def check(render: Render) -> Iterator[Complaint]:
    seen: set[tuple[str, ...]] = set()
    for item in render.objects:
        identity = (group_of(item), item["kind"], namespace_of(item), name_of(item))
        if identity in seen:
            yield Complaint(item, "", "is there twice", "rename or remove one: the later would win")
        seen.add(identity)
