"""How many pods a workload has: a number, or what an autoscaler may make of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from .objects import Object, at, name_of, namespace_of
from .pods import Pod
from .render import Render


@dataclass(frozen=True)
class Replicas:
    """Bounds of the number of pods."""

    fewest: int
    most: int


@dataclass(frozen=True)
class Autoscaler:
    """An object that sets the number of pods of another."""

    item: Object
    target: tuple[str, str]
    """Kind and name."""
    bounds: Replicas
    paths: tuple[str, str]
    """Where the bounds stand."""


def autoscalers(render: Render) -> Iterator[Autoscaler]:
    """Yield the HorizontalPodAutoscalers and KEDA's ScaledObjects."""
    for item in render.of("HorizontalPodAutoscaler"):
        yield _autoscaler(item, ("spec.minReplicas", "spec.maxReplicas"), fewest=1, most=0)
    for item in render.of("ScaledObject"):
        yield _autoscaler(item, ("spec.minReplicaCount", "spec.maxReplicaCount"), fewest=0, most=100)


def _autoscaler(item: Object, paths: tuple[str, str], *, fewest: int, most: int) -> Autoscaler:
    target = item["spec"]["scaleTargetRef"]
    bounds = Replicas(int(at(item, paths[0], fewest)), int(at(item, paths[1], most)))
    return Autoscaler(item, (target.get("kind", "Deployment"), target["name"]), bounds, paths)


def replicas_of(pod: Pod, render: Render) -> Replicas:
    """Return how many pods like this there may be."""
    if pod.owner["kind"] == "InferenceService":
        return predictor_replicas(pod.owner)
    for scaler in autoscalers(render):
        here = namespace_of(scaler.item) == pod.namespace
        if here and scaler.target == (pod.owner["kind"], name_of(pod.owner)):
            return scaler.bounds
    number = int(at(pod.owner, "spec.replicas", 1))
    return Replicas(number, number)


def predictor_replicas(service: Object) -> Replicas:
    """Return how many pods the stable predictor of an InferenceService may have."""
    predictor = service["spec"]["predictor"]
    fewest = int(predictor.get("minReplicas", 1))
    return Replicas(fewest, max(fewest, int(predictor.get("maxReplicas", 0))))
