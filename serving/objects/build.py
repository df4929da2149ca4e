"""Builds the objects with the kserve SDK. Importing the SDK takes over a second, so only the builders do it."""

from typing import Any

from mediareview import __version__
from mediareview.kubernetes import Object
from serving.objects.names import (
    CONTAINER_NAME,
    DEPLOYMENT_MODE_ANNOTATION,
    HTTP_PORT,
    INFERENCE_SERVICE,
    INFERENCE_SERVICES,
    MODEL_FORMATS,
    MODEL_MOUNT,
    RUNTIME_NAME,
    SERVING_RUNTIME,
    SERVING_RUNTIMES,
    VERSION_LABEL,
)

IMAGE = f"mediareview/serving:{__version__}"


def serving_runtime(image: str = IMAGE) -> Object:
    """Return the ServingRuntime of all three model formats.

    Args:
        image: container image with the serving extra; the local stand-in runs the command without it.
    """
    from kserve import V1alpha1ServingRuntime, V1alpha1ServingRuntimeSpec, V1alpha1SupportedModelFormat
    from kubernetes.client import (  # type: ignore[import-untyped]
        V1Container,
        V1ContainerPort,
        V1EnvVar,
        V1HTTPGetAction,
        V1ObjectMeta,
        V1Probe,
    )

    environment = {
        # One request at a time is scored; BLAS threads would only fight ONNX Runtime's, and glibc's arenas cost memory.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }
    container = V1Container(
        name=CONTAINER_NAME,
        image=image,
        command=["python", "-m", "serving.predictors"],
        args=[
            "--model_name={{.Name}}",
            f"--model_dir={MODEL_MOUNT}",
            "--host=0.0.0.0",
            f"--http_port={HTTP_PORT}",
        ],
        env=[V1EnvVar(name=name, value=value) for name, value in environment.items()],
        ports=[V1ContainerPort(container_port=HTTP_PORT, name="http1", protocol="TCP")],
        readiness_probe=V1Probe(http_get=V1HTTPGetAction(path="/v2/models/{{.Name}}/ready", port=HTTP_PORT)),
    )
    return _plain(
        V1alpha1ServingRuntime(
            api_version=SERVING_RUNTIMES[0],
            kind=SERVING_RUNTIME,
            metadata=V1ObjectMeta(name=RUNTIME_NAME),
            spec=V1alpha1ServingRuntimeSpec(
                containers=[container],
                multi_model=False,
                protocol_versions=["v1", "v2"],
                supported_model_formats=[
                    V1alpha1SupportedModelFormat(name=name, version="1", auto_select=True) for name in MODEL_FORMATS
                ],
            ),
        )
    )


def inference_service(name: str, artifact_uri: str, version: str) -> Object:
    """Return the InferenceService of a model.

    Args:
        name: ``recommender``, ``sentiment`` or ``moderation``; names the service and its model format.
        artifact_uri: ``file://`` or ``s3://`` URL of the artifact directory.
        version: registry version, which the labels carry.
    """
    from kserve import (
        V1beta1InferenceService,
        V1beta1InferenceServiceSpec,
        V1beta1ModelFormat,
        V1beta1ModelSpec,
        V1beta1PredictorSpec,
    )
    from kubernetes.client import V1ObjectMeta

    model_format = f"mediareview-{name}"
    labels = {VERSION_LABEL: version}
    return _plain(
        V1beta1InferenceService(
            api_version=INFERENCE_SERVICES[0],
            kind=INFERENCE_SERVICE,
            metadata=V1ObjectMeta(name=name, labels=labels, annotations={DEPLOYMENT_MODE_ANNOTATION: "Standard"}),
            spec=V1beta1InferenceServiceSpec(
                predictor=V1beta1PredictorSpec(
                    labels=labels,
                    model=V1beta1ModelSpec(
                        name=CONTAINER_NAME,
                        model_format=V1beta1ModelFormat(name=model_format),
                        runtime=RUNTIME_NAME,
                        storage_uri=artifact_uri,
                        args=[f"--model_format={model_format}"],
                    ),
                )
            ),
        )
    )


def served_version(name: str, artifact_uri: str, version: str) -> Object:
    """Return what to merge into a declared InferenceService so that it serves a version, and nothing else of it."""
    labels = {VERSION_LABEL: version}
    return {
        "apiVersion": INFERENCE_SERVICES[0],
        "kind": INFERENCE_SERVICE,
        "metadata": {"name": name, "labels": labels},
        "spec": {"predictor": {"labels": labels, "model": {"storageUri": artifact_uri}}},
    }


def _plain(typed: Any) -> Object:
    """Return an SDK object as plain data, without the empty names that the SDK adds."""
    from kserve import ApiClient

    plain: Object = _without_empty_names(ApiClient().sanitize_for_serialization(typed))
    return plain


def _without_empty_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_empty_names(item) for key, item in value.items() if (key, item) != ("name", "")}
    if isinstance(value, list):
        return [_without_empty_names(item) for item in value]
    return value
