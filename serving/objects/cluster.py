"""The objects of a namespace of a Kubernetes cluster, where KServe's controller runs what they ask for."""

import logging
import time
from http import HTTPStatus

from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Kubernetes, KubernetesError, Object, Resource
from mediareview.merge_patch import merge
from serving.objects.names import INFERENCE_SERVICE, INFERENCE_SERVICES, SERVING_RUNTIME, SERVING_RUNTIMES
from serving.objects.progress import progress
from serving.objects.store import conflict, missing
from serving.objects.variants import predictor_name

logger = logging.getLogger(__name__)

POLL_S = 2.0

_KINDS = {INFERENCE_SERVICE: INFERENCE_SERVICES, SERVING_RUNTIME: SERVING_RUNTIMES}


class ClusterObjects:
    """Objects kept by the Kubernetes API.

    Args:
        namespace: where they are.
        cluster: calls the API; by default the one of this pod or of the kubeconfig file.

    Raises:
        MediaReviewError: no cluster is known here.
    """

    def __init__(self, namespace: str, cluster: Kubernetes | None = None) -> None:
        self._namespace = namespace
        self._cluster = cluster or Kubernetes()

    def list(self, kind: str = INFERENCE_SERVICE) -> list[Object]:
        """Return all objects of a kind, by name.

        Raises:
            KubernetesError: they cannot be had.
        """
        return sorted(self._cluster.list(self._resource(kind)), key=lambda item: str(item["metadata"]["name"]))

    def get(self, name: str, kind: str = INFERENCE_SERVICE) -> Object:
        """Return an object.

        Raises:
            MissingError: there is none of that name and kind.
            KubernetesError: it cannot be had.
        """
        found = self._find(self._resource(kind), name)
        if found is None:
            raise missing(kind, name, f"namespace {self._namespace}")
        return found

    def apply(self, manifest: Object) -> bool:
        """Create an object or merge into it (JSON Merge Patch, RFC 7386); what ``manifest`` does not name is kept.

        Returns:
            Whether anything changed.

        Raises:
            KubernetesError: it cannot be written.
        """
        resource, name = self._resource(manifest["kind"]), manifest["metadata"]["name"]
        stored = self._find(resource, name)
        if stored is None:
            try:
                self._cluster.create(resource, manifest)
                return True
            except KubernetesError as error:
                # Somebody else was faster: then it is there to be merged into.
                if error.status != HTTPStatus.CONFLICT:
                    raise
        elif merge(stored, manifest) == stored:
            return False
        self._cluster.patch(resource, name, manifest)
        return True

    def replace(self, manifest: Object) -> bool:
        """Replace an object's metadata and spec with what was read and changed; the stored status is kept.

        Returns:
            Whether anything changed.

        Raises:
            ConflictError: it was written since; its ``resourceVersion`` is no longer that of ``manifest``.
            KubernetesError: it cannot be written.
        """
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        version = manifest["metadata"].get("resourceVersion")
        if version is None:
            raise conflict(kind, name)
        try:
            written = self._cluster.replace(self._resource(kind), name, manifest)
        except KubernetesError as error:
            if error.status in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):
                raise conflict(kind, name) from None
            raise
        return bool(written["metadata"]["resourceVersion"] != version)

    def delete(self, name: str, kind: str = INFERENCE_SERVICE) -> bool:
        """Delete an object; return whether it was there.

        Raises:
            KubernetesError: it cannot be deleted.
        """
        try:
            self._cluster.delete(self._resource(kind), name)
            return True
        except KubernetesError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False

    def deployment(self, name: str, predictor: str = "") -> Object | None:
        """Return the Deployment that KServe makes of a predictor; None if there is none yet.

        Args:
            name: name of the InferenceService.
            predictor: the predictor's own name; empty for a stable one without.

        Raises:
            KubernetesError: it cannot be had.
        """
        return self._find(Resource("apps/v1", "deployments", self._namespace), predictor_name(name, predictor))

    def wait_rolled_out(self, name: str, version: str, timeout_s: float) -> None:
        """Wait until only pods of a version answer for the stable predictor, and all of them do.

        If they do not, the pods of the version before go on answering.

        Args:
            name: name of the InferenceService.
            version: registry version, as the predictor's label says it.
            timeout_s: longest wait, in seconds.

        Raises:
            MediaReviewError: the new pods do not become ready, with the reason that KServe or Kubernetes gives.
        """
        deadline = time.monotonic() + timeout_s
        told = ""
        while True:
            try:
                service = self.get(name)
                deployment = self.deployment(name, service["spec"]["predictor"].get("name") or "")
                now = progress(service, deployment, version)
            except KubernetesError as error:
                if not error.away:
                    raise
                now = None
            if now is not None and now.done:
                return
            message = now.message if now is not None else "the Kubernetes API does not answer"
            if message != told:
                logger.info("Waiting for %s version %s: %s", name, version, message)
                told = message
            if (now is not None and now.failed) or time.monotonic() >= deadline:
                raise MediaReviewError(
                    f"{name} version {version} does not become ready: {message}",
                    "What was served before still answers. Correct the cause and run the step again, or deploy another "
                    f"version. kubectl -n {self._namespace} describe inferenceservice {name} says more.",
                )
            time.sleep(POLL_S)

    def _find(self, resource: Resource, name: str) -> Object | None:
        """Return an object, or None; a kind that the cluster does not know is an error."""
        try:
            return self._cluster.get(resource, name)
        except KubernetesError as error:
            if error.status != HTTPStatus.NOT_FOUND or error.unknown_kind:
                raise
            return None

    def _resource(self, kind: str) -> Resource:
        if kind not in _KINDS:
            raise MediaReviewError(f"Objects of kind {kind!r} are not kept here.", "Use InferenceService.")
        api_version, plural = _KINDS[kind]
        return Resource(api_version, plural, self._namespace)
