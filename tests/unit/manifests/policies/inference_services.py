"""What KServe's controller refuses, or silently does otherwise, about InferenceServices and their canaries."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ..complaints import Complaint
from ..kserve import CONTAINER, runtime_of
from ..objects import Object, annotations_of, at, namespace_of
from ..render import Render

MODE = "serving.kserve.io/deploymentMode"
STABLE_ONLY = ("autoScaling", "maxReplicas", "scaleMetric", "scaleTarget")


def check(render: Render) -> Iterator[Complaint]:
    for service in render.of("InferenceService"):
        spec = service["spec"]
        if annotations_of(service).get(MODE) != "Standard":
            problem = f"{MODE} is {annotations_of(service).get(MODE)}"
            yield Complaint(service, "metadata.annotations", problem, "set it to Standard: canaries need it")
        for path, predictor in predictors_of(spec):
            if "canaryTrafficPercent" in predictor:
                problem = "works with Knative only"
                yield Complaint(service, f"{path}.canaryTrafficPercent", problem, "list a canary in spec.canary")
            yield from _model(service, path, predictor, render)
        yield from _canaries(service)
    used = [
        runtime_of(predictor, namespace_of(service), render)
        for service in render.of("InferenceService")
        for _, predictor in predictors_of(service["spec"])
    ]
    for runtime in render.of("ServingRuntime", "ClusterServingRuntime"):
        if not any(runtime is other for other in used):
            # It is checked as a part of the predictors that it makes.
            yield Complaint(runtime, "", "no InferenceService uses it", "remove it")


def predictors_of(spec: Object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield path and content of each predictor, as declared."""
    yield "spec.predictor", spec["predictor"]
    for index, entry in enumerate(spec.get("canary") or []):
        yield f"spec.canary[{index}].predictor", entry.get("predictor") or {}


def _model(service: Object, path: str, predictor: dict[str, Any], render: Render) -> Iterator[Complaint]:
    model = predictor.get("model") or {}
    if not model:
        yield Complaint(service, f"{path}.model", "is not set", "serve a model through the ServingRuntime")
        return
    runtime = runtime_of(predictor, namespace_of(service), render)
    if runtime is None:
        problem = f"there is no ServingRuntime {model.get('runtime')}"
        yield Complaint(service, f"{path}.model.runtime", problem, "name one of this namespace")
        return
    formats = [supported["name"] for supported in runtime["spec"]["supportedModelFormats"]]
    if at(model, "modelFormat.name") not in formats:
        problem = f"{model['runtime']} does not serve {at(model, 'modelFormat.name')}"
        yield Complaint(service, f"{path}.model.modelFormat", problem, f"use one of {', '.join(formats)}")


def _canaries(service: Object) -> Iterator[Complaint]:
    stable, canaries = service["spec"]["predictor"], service["spec"].get("canary") or []
    if not canaries:
        return
    if not at(stable, "model.storageUri"):
        problem = "a canary needs a stable model beside it"
        yield Complaint(service, "spec.predictor.model.storageUri", problem, "set it, or remove the canary")
    shares = [int(entry.get("trafficPercent", 0)) for entry in canaries]
    if sum(shares) > 100 or min(shares) < 0:
        yield Complaint(service, "spec.canary", f"the shares sum up to {sum(shares)} %", "leave at most 100 %")
    names = Counter([stable.get("name"), *(at(entry, "predictor.name") for entry in canaries)])
    for index, entry in enumerate(canaries):
        path, predictor = f"spec.canary[{index}].predictor", entry.get("predictor") or {}
        name = predictor.get("name")
        if not name or names[name] > 1:
            problem = f"{name!r} is not its own" if name else "has no name"
            yield Complaint(service, f"{path}.name", problem, "give each predictor another name")
        for field in STABLE_ONLY:
            if field in predictor:
                yield Complaint(service, f"{path}.{field}", "is refused for a canary", "remove it")
        if at(predictor, "model.name") != CONTAINER:
            yield Complaint(service, f"{path}.model.name", "is required of a canary", f"set it to {CONTAINER}")
        if int(predictor.get("minReplicas", 1)) > int(stable.get("minReplicas", 1)):
            yield Complaint(service, f"{path}.minReplicas", "is above the stable predictor's", "lower it")
