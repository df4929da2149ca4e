"""Every pod that an overlay makes, by way of Kubernetes itself, KServe, the Spark operator or the Trainer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from . import kserve
from .label_selectors import matches
from .objects import Object, at, name_of, namespace_of
from .render import Render


@dataclass(frozen=True)
class Pod:
    """What all pods of one workload look like."""

    owner: Object
    """The object that declares it."""
    path: str
    """Where in the owner the pod's specification begins."""
    name: str
    """Name of the workload, by which the tables call it."""
    labels: dict[str, str]
    spec: dict[str, Any]
    """A PodSpec; what an operator adds or merges is in it."""
    serves: bool
    """Whether it runs until it is told to stop."""

    @property
    def namespace(self) -> str:
        return namespace_of(self.owner)

    def containers(self, *, init: bool = True) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield path and specification of each container."""
        for group in ("initContainers", "containers") if init else ("containers",):
            for container in self.spec.get(group) or []:
                yield f"{self.path}.{group}[{container.get('name')}]", container

    def ports(self) -> dict[str, int]:
        """Return the numbers of the named ports of all containers."""
        listed = (port for _, container in self.containers() for port in container.get("ports") or [])
        return {port["name"]: int(port["containerPort"]) for port in listed if "name" in port}

    def port_numbers(self) -> set[int]:
        """Return the numbers of all declared ports."""
        listed = (port for _, container in self.containers() for port in container.get("ports") or [])
        return {int(port["containerPort"]) for port in listed}


def pods(render: Render) -> list[Pod]:
    """Return the pods of an overlay, in the order of its objects."""
    found: list[Pod] = []
    for item in render.objects:
        maker = MAKERS.get(item["kind"])
        if maker is not None:
            found.extend(maker(item, render))
    return found


def selected(render: Render, selector: dict[str, Any] | None, namespace: str) -> list[Pod]:
    """Return the pods of a namespace that a LabelSelector selects."""
    return [pod for pod in pods(render) if pod.namespace == namespace and matches(selector, pod.labels)]


def _from_template(item: Object, path: str, *, serves: bool, name: str = "") -> Pod:
    template = at(item, path, {})
    return Pod(
        owner=item,
        path=f"{path}.spec",
        name=name or name_of(item),
        labels=dict(at(template, "metadata.labels", {})),
        spec=template.get("spec") or {},
        serves=serves,
    )


def _server(item: Object, render: Render) -> Iterator[Pod]:
    yield _from_template(item, "spec.template", serves=True)


def _job(item: Object, render: Render) -> Iterator[Pod]:
    yield _from_template(item, "spec.template", serves=False)


def _cron_job(item: Object, render: Render) -> Iterator[Pod]:
    yield _from_template(item, "spec.jobTemplate.spec.template", serves=False)


def _pod(item: Object, render: Render) -> Iterator[Pod]:
    labels = dict(item["metadata"].get("labels") or {})
    yield Pod(item, "spec", name_of(item), labels, item["spec"], serves=item["spec"].get("restartPolicy") != "Never")


def _training_runtime(item: Object, render: Render) -> Iterator[Pod]:
    for index, job in enumerate(at(item, "spec.template.spec.replicatedJobs", [])):
        inner = _from_template({**item, "job": job}, "job.template.spec.template", serves=False)
        path = f"spec.template.spec.replicatedJobs[{job.get('name', index)}].template.spec.template.spec"
        yield Pod(item, path, f"{name_of(item)}-{job['name']}", inner.labels, inner.spec, serves=False)


def _spark_application(item: Object, render: Render) -> Iterator[Pod]:
    """The operator turns driver and executor into pods, each with one container, on top of their templates."""
    for role in ("driver", "executor"):
        declared = at(item, f"spec.{role}", {})
        template = declared.get("template") or {}
        memory, cores = declared.get("memory"), declared.get("coreRequest") or declared.get("cores")
        container = {
            "name": f"spark-kubernetes-{role}",
            "image": declared.get("image") or item["spec"].get("image"),
            "imagePullPolicy": item["spec"].get("imagePullPolicy"),
            "env": declared.get("env") or [],
            "envFrom": declared.get("envFrom") or [],
            "ports": declared.get("ports") or [],
            "volumeMounts": declared.get("volumeMounts") or [],
            "securityContext": declared.get("securityContext") or {},
            # Spark asks for what it may use at most: memory and overhead are request and limit.
            "resources": {
                "requests": _given({"memory": memory, "cpu": str(cores) if cores else None}),
                "limits": _given({"memory": memory}),
            },
        }
        spec = {
            **(template.get("spec") or {}),
            "serviceAccountName": declared.get("serviceAccount"),
            "securityContext": declared.get("podSecurityContext") or {},
            "volumes": item["spec"].get("volumes") or [],
            "initContainers": declared.get("initContainers") or [],
            "containers": [container, *(declared.get("sidecars") or [])],
            "hostNetwork": declared.get("hostNetwork", False),
        }
        labels = {**at(template, "metadata.labels", {}), **(declared.get("labels") or {}), "spark-role": role}
        yield Pod(item, f"spec.{role}", f"{name_of(item)}-{role}", labels, spec, serves=False)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _inference_service(item: Object, render: Render) -> Iterator[Pod]:
    for predictor in kserve.predictors(item, render):
        yield Pod(item, predictor.path, predictor.service, predictor.labels, predictor.spec, serves=True)


MAKERS: dict[str, Callable[[Object, Render], Iterator[Pod]]] = {
    "CronJob": _cron_job,
    "DaemonSet": _server,
    "Deployment": _server,
    "InferenceService": _inference_service,
    "Job": _job,
    "Pod": _pod,
    "SparkApplication": _spark_application,
    "StatefulSet": _server,
    "TrainingRuntime": _training_runtime,
}
"""How the kinds that make pods do it. A ServingRuntime makes none itself: it is part of each InferenceService's."""
