"""Names are what the API server accepts: schemas do not say it."""

import re
from collections.abc import Iterator

from ..complaints import Complaint
from ..objects import group_of, name_of, namespace_of
from ..pods import pods
from ..render import Render

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
PORT = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
LONGEST_SUBDOMAIN = 253
LONGEST_CRON_JOB = 52
"""A CronJob's Jobs add eleven characters to its name."""


def check(render: Render) -> Iterator[Complaint]:
    for item in render.objects:
        name = name_of(item)
        if item["kind"] == "Service":
            good = SERVICE.fullmatch(name)
        elif item["kind"] in ("InferenceService", "Namespace", "StatefulSet"):
            good = LABEL.fullmatch(name)
        elif group_of(item) == "rbac.authorization.k8s.io":
            good = re.fullmatch(r"[^/%]+", name)
        else:
            good = SUBDOMAIN.fullmatch(name) if len(name) <= LONGEST_SUBDOMAIN else None
        if not good:
            yield Complaint(item, "metadata.name", f"{name!r} is no legal name", "use a-z, 0-9 and -, at most 63")
        if item["kind"] == "CronJob" and len(name) > LONGEST_CRON_JOB:
            yield Complaint(item, "metadata.name", f"{len(name)} characters", f"use at most {LONGEST_CRON_JOB}")
        if namespace_of(item) and not LABEL.fullmatch(namespace_of(item)):
            problem = f"{namespace_of(item)!r} is no legal namespace"
            yield Complaint(item, "metadata.namespace", problem, "use a-z, 0-9 and -, at most 63")
    for pod in pods(render):
        for path, container in pod.containers():
            if not LABEL.fullmatch(str(container.get("name", ""))):
                yield Complaint(pod.owner, path, "its name is not legal", "use a-z, 0-9 and -, at most 63")
            for port in container.get("ports") or []:
                if "name" in port and not PORT.fullmatch(port["name"]):
                    problem = f"{port['name']!r} is no legal port name"
                    yield Complaint(
                        pod.owner, f"{path}.ports[{port['name']}]", problem, "use a-z, 0-9 and -, at most 15"
                    )
