"""Labels are legal, ours are on everything, and a workload selects its own pods and nobody else's."""

import re
from collections.abc import Iterator

from ..complaints import Complaint
from ..label_selectors import matches
from ..objects import Object, at, labels_of, nodes
from ..pods import pods
from ..render import Render

PREFIX = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
PART_OF = "app.kubernetes.io/part-of"
PART_NAME = "app.kubernetes.io/name"
OURS = "mediareview"


def check(render: Render) -> Iterator[Complaint]:
    for item in render.objects:
        yield from _legal(item)
        if labels_of(item).get(PART_OF) != OURS:
            yield Complaint(item, "metadata.labels", f"{PART_OF} is not {OURS}", "add the label")
    everybody = pods(render)
    for pod in everybody:
        if pod.labels.get(PART_OF) != OURS or not pod.labels.get(PART_NAME):
            remedy = f"label its pods {PART_NAME} and {PART_OF}: {OURS}"
            yield Complaint(pod.owner, pod.path, "its pods do not say what they are", remedy)
        if pod.owner["kind"] not in ("Deployment", "StatefulSet", "DaemonSet"):
            continue
        selector = at(pod.owner, "spec.selector")
        if not matches(selector, pod.labels):
            remedy = "select labels that spec.template has"
            yield Complaint(pod.owner, "spec.selector", "does not select the pods of its own template", remedy)
        for other in everybody:
            same_place = other.namespace == pod.namespace and other.owner is not pod.owner
            if same_place and matches(selector, other.labels):
                problem = f"selects the pods of {other.owner['kind']} {other.name}, too"
                yield Complaint(pod.owner, "spec.selector", problem, "select by app.kubernetes.io/name")


def _legal(item: Object) -> Iterator[Complaint]:
    for path, node in nodes(item):
        for field in ("labels", "matchLabels", "nodeSelector"):
            # A label called "labels" would be a string; a field that is no map of labels is none of ours.
            labels = node.get(field)
            if not isinstance(labels, dict):
                continue
            for key, value in labels.items():
                where = f"{path}.{field}".removeprefix(".")
                prefix, _, name = key.rpartition("/")
                if not NAME.fullmatch(name) or (prefix and not PREFIX.fullmatch(prefix)):
                    yield Complaint(item, where, f"{key!r} is no legal label", "use prefix/name, the name at most 63")
                if not isinstance(value, str) or (value and not NAME.fullmatch(value)):
                    problem = f"{value!r} is no legal value of {key}"
                    yield Complaint(item, where, problem, "use a string of letters, digits, -, _ and ., at most 63")
