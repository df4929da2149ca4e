"""Every container says what it needs and how much memory it may take.

A limit on CPU is optional: it would throttle a server that has idle CPU beside it, while requests already share the
CPU out. Memory cannot be taken back, so it always has a limit. Files in an emptyDir can fill the node's disk, so every
emptyDir has a size.
"""

from collections.abc import Iterator

from ..complaints import Complaint
from ..objects import at
from ..pods import pods
from ..render import Render

NEEDED = ("requests.cpu", "requests.memory", "limits.memory")


def check(render: Render) -> Iterator[Complaint]:
    for pod in pods(render):
        for path, container in pod.containers():
            for needed in NEEDED:
                if at(container, f"resources.{needed}") is None:
                    yield Complaint(pod.owner, f"{path}.resources.{needed}", "is not set", "set what was measured")
        for volume in pod.spec.get("volumes") or []:
            if "emptyDir" in volume and not at(volume, "emptyDir.sizeLimit"):
                where = f"{pod.path}.volumes[{volume['name']}].emptyDir.sizeLimit"
                yield Complaint(pod.owner, where, "is not set", "set it: the volume may fill the node's disk")
