"""Whether a candidate can be trusted with requests: its artifact before anything changes, its predictor afterwards."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mediareview.artifact import MANIFEST, Manifest, load_manifest
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Object
from serving.objects.progress import progress
from serving.objects.variants import version_label
from serving.rollouts.changes import canary_of
from serving.rollouts.rollout import ANNOTATION, Candidate

if TYPE_CHECKING:
    from mediareview.settings import Settings
    from serving.objects.store import ObjectStore


@dataclass(frozen=True)
class CandidateState:
    """Whether the candidate's predictor answers."""

    ready: bool
    failed: bool
    """It does not start, by what is known of it; it may be tried again nevertheless."""
    message: str
    """Why it is not ready; empty if it is."""
    running: bool = True
    """Whether there is anybody who would start it."""


def candidate_state(service: Object) -> CandidateState:
    """Return what the status of an InferenceService says of its canary."""
    canary = canary_of(service)
    if canary is None:
        return CandidateState(False, False, "there is no candidate")
    status = service.get("status") or {}
    conditions = {item["type"]: item for item in status.get("conditions") or []}
    on_cluster = bool(service["metadata"].get("namespace"))
    if not on_cluster and (not status or conditions.get("Ready", {}).get("reason") == "Stopped"):
        return CandidateState(False, False, "nothing runs it: start mediareview serve", running=False)
    name = canary["predictor"]["name"]
    ready = {item["name"]: bool(item.get("ready")) for item in status.get("canaryStatuses") or []}
    if ready.get(name):
        return CandidateState(True, False, "")
    condition = conditions.get("CanaryPredictorReady") or {}
    failed = condition.get("reason") in ("ModelLoadFailed", "InvalidPredictorSpec")
    return CandidateState(False, failed, str(condition.get("message") or "its predictor is not ready yet"))


def look_at_candidate(objects: "ObjectStore", name: str) -> CandidateState:
    """Return how the candidate of an InferenceService fares; on a cluster its Deployment is asked as well.

    Raises:
        MissingError: there is no such InferenceService.
        MediaReviewError: the objects cannot be read.
    """
    from serving.objects.cluster import ClusterObjects

    service = objects.get(name)
    state, canary = candidate_state(service), canary_of(service)
    if canary is None or not isinstance(objects, ClusterObjects):
        return state
    predictor = canary["predictor"]
    deployment = objects.deployment(name, predictor["name"])
    if deployment is not None and ANNOTATION in _template(deployment).get("annotations", {}):
        return CandidateState(
            False,
            True,
            f"KServe copies the annotation {ANNOTATION} to its pods, so that each change of a rollout would restart "
            "them; add it to serviceAnnotationDisallowedList in the ConfigMap inferenceservice-config",
        )
    now = progress(service, deployment, version_label(service, predictor))
    if now.failed or not now.done:
        return CandidateState(False, now.failed, now.message)
    return state


def check_artifact(model: str, candidate: Candidate, settings: "Settings") -> Manifest:
    """Check that a candidate's artifact is complete, and of this model and version.

    On a directory every file is compared with its checksum. On S3 the manifest is read; the files are compared by the
    predictor as it starts.

    Raises:
        MediaReviewError: it is not, or it lies where the predictors cannot read it.
    """
    scheme = urlsplit(candidate.uri).scheme
    if scheme == "file" and not settings.serving_namespace:
        manifest = load_manifest(Path(url2pathname(urlsplit(candidate.uri).path)), verify=True)
    elif scheme == "s3" and settings.serving_namespace:
        manifest = _manifest_on_s3(candidate.uri, settings)
    else:
        raise unreadable(candidate.uri, settings)
    found = (manifest.name, manifest.version)
    if found != (model, candidate.version):
        raise MediaReviewError(
            f"{candidate.uri} holds {manifest.name} version {manifest.version or '?'}, "
            f"not {model} version {candidate.version}.",
            f"The registered versions: mediareview models list {model}",
        )
    return manifest


def unreadable(uri: str, settings: "Settings") -> MediaReviewError:
    """Return the error that says that the predictors cannot read an artifact."""
    if not settings.serving_namespace:
        return MediaReviewError(
            f"The local stand-in cannot serve {uri}.", "Serve it on a cluster (MEDIAREVIEW_SERVING_URL)."
        )
    return MediaReviewError(
        f"The pods of a cluster cannot read {uri}.",
        "Register models with an MLflow server (MEDIAREVIEW_REGISTRY_URL) that keeps artifacts on S3 itself: "
        "mlflow server --no-serve-artifacts --default-artifact-root s3://BUCKET/models.",
    )


def _manifest_on_s3(uri: str, settings: "Settings") -> Manifest:
    from botocore.exceptions import BotoCoreError, ClientError
    from pydantic import ValidationError

    from mediareview.s3 import s3_client

    parts = urlsplit(uri)
    key = f"{parts.path.strip('/')}/{MANIFEST}"
    try:
        content = s3_client(settings).get_object(Bucket=parts.netloc, Key=key)["Body"].read()
        return Manifest.model_validate_json(content)
    except (BotoCoreError, ClientError) as error:
        raise MediaReviewError(
            f"{uri}/{MANIFEST} cannot be read: {error}",
            "Check MEDIAREVIEW_S3_ENDPOINT_URL and the credentials, or register the model again.",
        ) from None
    except ValidationError as error:
        raise MediaReviewError(
            f"{uri}/{MANIFEST} is not a valid manifest: {error.errors()[0]['msg']}", "Register the model again."
        ) from None


def _template(deployment: Object) -> dict[str, Any]:
    found: dict[str, Any] = (deployment["spec"].get("template") or {}).get("metadata") or {}
    return {**found, "annotations": found.get("annotations") or {}}
