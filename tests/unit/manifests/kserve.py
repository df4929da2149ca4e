"""What KServe makes of an InferenceService in Standard mode: one Deployment and one Service for each predictor."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .objects import Object, at, labels_of, name_of, namespace_of
from .render import Render

CONTAINER = "kserve-container"
MODEL_FIELDS = ("modelFormat", "runtime", "runtimeVersion", "protocolVersion", "storageUri", "storage")
RUNTIME_FIELDS = ("affinity", "nodeSelector", "tolerations", "imagePullSecrets", "schedulerName", "hostIPC")
COMPONENT_FIELDS = (
    *("name", "model", "minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "scaleMetricType", "autoScaling"),
    *("containerConcurrency", "timeout", "canaryTrafficPercent", "logger", "batcher", "labels", "annotations"),
    *("deploymentStrategy", "storageUris", "storageContainerName", "workerSpec"),
)
"""Fields of a predictor that are not those of a pod."""


@dataclass(frozen=True)
class Predictor:
    """A predictor with what it takes from its ServingRuntime and, if it is a canary, from the stable one."""

    path: str
    service: str
    """Name of its Deployment and its Service."""
    labels: dict[str, str]
    spec: dict[str, Any]
    canary: bool


def predictors(service: Object, render: Render) -> Iterator[Predictor]:
    """Yield the stable predictor and the canaries."""
    stable = service["spec"]["predictor"]
    yield _predictor(service, "spec.predictor", stable, render, canary=False)
    for index, entry in enumerate(service["spec"].get("canary") or []):
        declared = entry.get("predictor") or {}
        path = f"spec.canary[{declared.get('name', index)}].predictor"
        # A canary says only what differs: mappings are merged, lists are replaced.
        yield _predictor(service, path, _merged(stable, declared), render, canary=True)


def runtime_of(predictor: dict[str, Any], namespace: str, render: Render) -> Object | None:
    """Return the ServingRuntime that a predictor names."""
    named = at(predictor, "model.runtime", "")
    return render.find("ServingRuntime", named, namespace) or render.find("ClusterServingRuntime", named)


def service_name(service: Object, predictor: dict[str, Any]) -> str:
    """Return the name of a predictor's Deployment and Service."""
    return "-".join(part for part in (name_of(service), predictor.get("name"), "predictor") if part)


def _predictor(service: Object, path: str, declared: dict[str, Any], render: Render, *, canary: bool) -> Predictor:
    runtime = runtime_of(declared, namespace_of(service), render) or {"spec": {}}
    name = service_name(service, declared)
    labels = {
        **(runtime["spec"].get("labels") or {}),
        **labels_of(service),
        **(declared.get("labels") or {}),
        "serving.kserve.io/inferenceservice": name_of(service),
        "component": "predictor",
        "app": f"isvc.{name}",
    }
    pod = {key: value for key, value in declared.items() if key not in COMPONENT_FIELDS}
    spec = _merged({key: runtime["spec"][key] for key in RUNTIME_FIELDS if key in runtime["spec"]}, pod)
    model = {key: value for key, value in (declared.get("model") or {}).items() if key not in MODEL_FIELDS}
    spec["containers"] = [_container(container, model) for container in runtime["spec"].get("containers") or []]
    spec["containers"] += declared.get("containers") or []
    spec["volumes"] = [*(runtime["spec"].get("volumes") or []), *(declared.get("volumes") or [])]
    return Predictor(path, name, labels, spec, canary)


def _container(declared: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
    """Merge a model's settings into the runtime's container, as a strategic merge does; arguments are appended."""
    if declared.get("name") != CONTAINER:
        return declared
    merged = _merged(
        declared, {key: value for key, value in model.items() if key not in ("env", "args", "volumeMounts")}
    )
    merged["args"] = [*(declared.get("args") or []), *(model.get("args") or [])]
    for key, identity in (("env", "name"), ("volumeMounts", "mountPath")):
        own = model.get(key) or []
        replaced = {item[identity] for item in own}
        merged[key] = [item for item in declared.get(key) or [] if item[identity] not in replaced] + own
    merged["name"] = CONTAINER
    return merged


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(base)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else copy.deepcopy(value)
    return merged
