"""Point a model's InferenceService at a registered version."""

from mediareview.settings import Settings, get_settings
from serving.objects import ObjectDirectory, inference_service, serving_runtime


def deploy(name: str, version: str, artifact_uri: str, settings: Settings | None = None) -> bool:
    """Write the ServingRuntime and the model's InferenceService; whatever runs them follows.

    Deploying what is deployed changes nothing.

    Args:
        name: the model, which names the InferenceService.
        version: registry version, written as a label and reported with every answer.
        artifact_uri: ``file://`` or ``s3://`` URL of the artifact directory.
        settings: where the objects are kept.

    Returns:
        Whether the InferenceService changed.
    """
    objects = ObjectDirectory((settings or get_settings()).inference_services)
    objects.apply(serving_runtime())
    return objects.apply(inference_service(name, artifact_uri=artifact_uri, version=version))
