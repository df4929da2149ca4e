"""Autoscalers scale what is there, alone, and between bounds that make sense."""

from collections import Counter
from collections.abc import Iterator

from ..complaints import Complaint
from ..objects import Object, annotations_of, at, namespace_of
from ..render import Render
from ..scale import Replicas, autoscalers

CLASS = "serving.kserve.io/autoscalerClass"


def check(render: Render) -> Iterator[Complaint]:
    targets = Counter((namespace_of(scaler.item), scaler.target) for scaler in autoscalers(render))
    for scaler in autoscalers(render):
        kind, name = scaler.target
        target = render.find(kind, name, namespace_of(scaler.item))
        if target is None:
            yield Complaint(scaler.item, "spec.scaleTargetRef", f"there is no {kind} {name}", "correct the name")
        elif "replicas" in target["spec"]:
            problem = (
                f"each apply would set the number that {scaler.item['kind']} {scaler.item['metadata']['name']} chose"
            )
            yield Complaint(target, "spec.replicas", problem, "remove it")
        if targets[namespace_of(scaler.item), scaler.target] > 1:
            yield Complaint(scaler.item, "spec.scaleTargetRef", f"another one scales {kind} {name}, too", "remove one")
        yield from _bounds(scaler.item, scaler.bounds, *scaler.paths)
    for service in render.of("InferenceService"):
        yield from _predictor(service)


def _bounds(item: Object, bounds: Replicas, fewest: str, most: str) -> Iterator[Complaint]:
    if bounds.fewest < 1:
        problem = f"{bounds.fewest} pods answer nobody"
        yield Complaint(item, fewest, problem, "set it to 1 at least: nothing wakes a server on HTTP")
    if bounds.fewest > bounds.most:
        yield Complaint(item, most, f"{bounds.most} is below the least, {bounds.fewest}", "raise it")


def _predictor(service: Object) -> Iterator[Complaint]:
    predictor, chosen = service["spec"]["predictor"], annotations_of(service).get(CLASS, "hpa")
    bounds = Replicas(int(predictor.get("minReplicas", 1)), int(predictor.get("maxReplicas", 0)))
    yield from _bounds(service, bounds, "spec.predictor.minReplicas", "spec.predictor.maxReplicas")
    metrics = at(predictor, "autoScaling.metrics") or []
    if chosen == "hpa" and (predictor.get("scaleMetric") not in ("cpu", "memory") or metrics):
        problem = "an hpa scales on cpu or memory only"
        yield Complaint(service, "spec.predictor.scaleMetric", problem, f"set it, or {CLASS}: keda")
    if chosen == "keda" and ("scaleMetric" in predictor or not metrics):
        problem = "KEDA scales on what autoScaling.metrics says"
        yield Complaint(service, "spec.predictor.autoScaling", problem, "set it instead of scaleMetric")
    if chosen not in ("hpa", "keda"):
        yield Complaint(service, "metadata.annotations", f"{CLASS} is {chosen}", "set it to hpa or keda")
