"""Point a model's InferenceService at a registered version."""

from urllib.parse import urlsplit

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings, get_settings
from serving.objects import MissingError, inference_service, open_objects, served_version, serving_runtime
from serving.objects.cluster import ClusterObjects


def deploy(name: str, version: str, artifact_uri: str, settings: Settings | None = None) -> bool:
    """Serve a version; deploying what is deployed changes nothing.

    In a directory the ServingRuntime and the InferenceService are written, and whatever runs them follows. On a cluster
    both are declared by the platform's manifests: only artifact and version are merged into the InferenceService, and
    the call returns once pods of that version have replaced those before them. If they do not become ready, the error
    says why. Nothing is undone: the pods before go on answering until the new ones do.

    Args:
        name: the model, which names the InferenceService.
        version: registry version, written as a label and reported with every answer.
        artifact_uri: ``file://`` or ``s3://`` URL of the artifact directory; on a cluster ``s3://`` only.
        settings: where the objects are kept.

    Returns:
        Whether the InferenceService changed.

    Raises:
        MediaReviewError: on a cluster, the artifact is where its pods cannot read it, the objects cannot be written, or
            the version does not become ready in time.
    """
    settings = settings or get_settings()
    objects = open_objects(settings)
    if isinstance(objects, ClusterObjects):
        return _deploy_on_cluster(objects, name, version, artifact_uri, settings.deploy_timeout_s)
    objects.apply(serving_runtime())
    return objects.apply(inference_service(name, artifact_uri=artifact_uri, version=version))


def _deploy_on_cluster(objects: ClusterObjects, name: str, version: str, artifact_uri: str, timeout_s: float) -> bool:
    if urlsplit(artifact_uri).scheme != "s3":
        raise MediaReviewError(
            f"The pods of a cluster cannot read {artifact_uri}.",
            "Register models with an MLflow server (MEDIAREVIEW_REGISTRY_URL) that keeps artifacts on S3 itself: "
            "mlflow server --no-serve-artifacts --default-artifact-root s3://BUCKET/models.",
        )
    try:
        objects.get(name)
        manifest = served_version(name, artifact_uri, version)
    except MissingError:
        manifest = inference_service(name, artifact_uri, version)
    changed = objects.apply(manifest)
    objects.wait_rolled_out(name, version, timeout_s)
    return changed
