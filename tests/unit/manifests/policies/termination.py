"""A server has the time to answer what is under way: before SIGTERM callers learn that it goes, after it it drains."""

from collections.abc import Iterator

from serving.api.server import GRACE_PERIOD_S as API_GRACE_PERIOD_S
from serving.predictors.__main__ import _parser

from ..complaints import Complaint
from ..objects import Object, at
from ..pods import pods
from ..render import Render

DRAIN_OPTION = "--grace_period_s="


def check(render: Render) -> Iterator[Complaint]:
    images = render.platform.get("images", {})
    drains_s = {images.get("api"): API_GRACE_PERIOD_S, images.get("serving"): _parser().get_default("grace_period_s")}
    for pod in pods(render):
        if not pod.serves:
            continue
        where = f"{pod.path}.terminationGracePeriodSeconds"
        grace_s = pod.spec.get("terminationGracePeriodSeconds")
        if grace_s is None:
            yield Complaint(pod.owner, where, "is not set", "set what draining takes, and some seconds more")
            continue
        for path, container in pod.containers(init=False):
            drain_s = drains_s.get(container.get("image"), 0)
            for argument in container.get("args") or []:
                if argument.startswith(DRAIN_OPTION):
                    drain_s = int(argument.removeprefix(DRAIN_OPTION))
            before_s = _pre_stop_s(container)
            if drain_s and not before_s:
                problem = "stops to listen before its callers know"
                yield Complaint(pod.owner, f"{path}.lifecycle.preStop", problem, "sleep some seconds first")
            if grace_s <= before_s + drain_s:
                problem = f"{grace_s} s is not more than the {before_s} s before SIGTERM and {drain_s} s of draining"
                yield Complaint(pod.owner, where, problem, "raise it")


def _pre_stop_s(container: Object) -> int:
    return int(at(container, "lifecycle.preStop.sleep.seconds", 0))
