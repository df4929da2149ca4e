"""Draining a node or losing a zone leaves every service with a pod.

A workload behind a Service that may have more than one pod has one PodDisruptionBudget, for its pods alone, which lets
a drain go on, and spreads its pods. An overlay of one machine is excused from spreading.
"""

from collections.abc import Iterator

from ..complaints import Complaint
from ..label_selectors import matches
from ..objects import Object, name_of, namespace_of
from ..pods import Pod, pods, selected
from ..render import Render
from ..scale import replicas_of
from .services import behind

ON_ONE_MACHINE = ("kind",)


def check(render: Render) -> Iterator[Complaint]:
    budgets = list(render.of("PodDisruptionBudget"))
    for budget in budgets:
        chosen = selected(render, budget["spec"].get("selector"), namespace_of(budget))
        owners = {(pod.owner["kind"], name_of(pod.owner)) for pod in chosen}
        if len(owners) != 1:
            problem = "selects the pods of " + (", ".join(sorted(name for _, name in owners)) or "nobody")
            yield Complaint(budget, "spec.selector", problem, "select those of one workload")
        elif _blocks_drains(budget, chosen[0], render):
            remedy = "set maxUnavailable: 1"
            yield Complaint(budget, "spec", "lets no pod go, so that no node can be drained", remedy)
    served = [id(pod.owner) for service in render.of("Service") for pod in behind(service, render)]
    for pod in pods(render):
        kserves = pod.owner["kind"] == "InferenceService"
        if not pod.serves or not (kserves or id(pod.owner) in served) or replicas_of(pod, render).most <= 1:
            continue
        ours = [item for item in budgets if namespace_of(item) == pod.namespace]
        counting = [name_of(item) for item in ours if matches(item["spec"].get("selector"), pod.labels)]
        if len(counting) != 1:
            problem = f"has {len(counting)} PodDisruptionBudgets"
            yield Complaint(pod.owner, pod.path, problem, "declare one that selects its pods")
        if render.name not in ON_ONE_MACHINE:
            yield from _spread(pod)


def _spread(pod: Pod) -> Iterator[Complaint]:
    constraints = pod.spec.get("topologySpreadConstraints") or []
    if not constraints:
        remedy = "add topologySpreadConstraints"
        yield Complaint(pod.owner, pod.path, "all its pods may be on one node", remedy)
    for index, constraint in enumerate(constraints):
        if not matches(constraint.get("labelSelector"), pod.labels):
            where = f"{pod.path}.topologySpreadConstraints[{index}].labelSelector"
            yield Complaint(pod.owner, where, "does not select its own pods", "correct the labels")


def _blocks_drains(budget: Object, pod: Pod, render: Render) -> bool:
    at_most, at_least = budget["spec"].get("maxUnavailable"), budget["spec"].get("minAvailable")
    if at_most is not None:
        return at_most in (0, "0%")
    return at_least == "100%" or (isinstance(at_least, int) and at_least >= replicas_of(pod, render).fewest)
