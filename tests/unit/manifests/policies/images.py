"""Images are released ones, and come from ``platform.yaml``."""

import re
from collections.abc import Iterator
from typing import Any

from ..complaints import Complaint
from ..objects import leaves
from ..pods import pods
from ..render import Render

REFERENCE = re.compile(
    r"(?P<name>(?:[^@/]+/)*[^@/:]+)(?::(?P<tag>\w[\w.-]*))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?", re.ASCII
)
MOVING_TAGS = ("latest", "main", "master", "edge", "nightly", "stable", "dev")


def check(render: Render) -> Iterator[Complaint]:
    allowed = {value for _, value in leaves(render.platform.get("images", {}))}
    for pod in pods(render):
        for path, container in pod.containers():
            image = str(container.get("image") or "")
            matched = REFERENCE.fullmatch(image)
            pinned = matched is not None and (matched["tag"] or matched["digest"])
            if not pinned:
                yield Complaint(pod.owner, f"{path}.image", f"{image!r} has no tag", "name a release or a digest")
            elif matched is not None and not matched["digest"] and matched["tag"] in MOVING_TAGS:
                problem = f"{image!r} moves"
                yield Complaint(pod.owner, f"{path}.image", problem, "name a release or a digest")
            if image not in allowed:
                problem = f"{image!r} is not among the images of platform.yaml"
                yield Complaint(pod.owner, f"{path}.image", problem, "put it there and copy it from there")
            yield from _pull_policy(pod.owner, path, container)


def _pull_policy(owner: dict[str, Any], path: str, container: dict[str, Any]) -> Iterator[Complaint]:
    if container.get("imagePullPolicy") == "Never":
        problem = "Never starts only where somebody put the image"
        yield Complaint(owner, f"{path}.imagePullPolicy", problem, "use IfNotPresent, or Always")
