"""Preparing features on a cluster: a SparkApplication, made after the one that the manifests declare, and followed.

The declared one is suspended and never runs. Like a suspended CronJob it says how: image, resources, accounts, volumes.
"""

import json
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Kubernetes, KubernetesError, Object, Resource

KUBERNETES = "kubernetes://"
"""Scheme of the engine URL; a namespace follows."""
TEMPLATE = "preprocessing"
"""Name of the declared SparkApplication."""
TIMEOUT_S = 4 * 3600.0
POLL_S = 5.0
KEPT_LABELS = ("app.kubernetes.io/name", "app.kubernetes.io/part-of")
"""Other labels of the declared object are those of tools that would take the copy for it, and delete it."""


def run_application(
    namespace: str,
    digest: str,
    pins: Mapping[str, int],
    say: Callable[[str], None],
    cluster: Kubernetes | None = None,
    timeout_s: float = TIMEOUT_S,
    poll_s: float = POLL_S,
) -> None:
    """Run a SparkApplication to its end. If the same work is being done already, follow that instead.

    Args:
        namespace: where the declared SparkApplication is.
        digest: of the work. Equal digests are the same work, and share one run.
        pins: version of each input table.
        say: told each state it reaches.
        cluster: calls the API; by default the one of this pod or of the kubeconfig file.
        timeout_s: longest time it may take from now on; then it is deleted.
        poll_s: time between two looks at it.

    Raises:
        KubernetesError: it cannot be created or seen; if it runs, it goes on.
        MediaReviewError: it failed or took too long.
    """
    cluster = cluster or Kubernetes()
    resource = Resource("sparkoperator.k8s.io/v1beta2", "sparkapplications", namespace)
    name = f"{TEMPLATE}-{digest[:12]}"
    stored = _created(cluster, resource, _copy(_template(cluster, resource), name, pins))
    say(f"SparkApplication {name}; logs: kubectl logs -n {namespace} -f {name}-driver")
    deadline, told = time.monotonic() + timeout_s, ""
    while (state := _state(stored)) != "COMPLETED":
        if state == "FAILED":
            said = stored["status"]["applicationState"].get("errorMessage") or "its driver tells why"
            raise MediaReviewError(
                f"SparkApplication {name} failed: {said}",
                f"See kubectl logs -n {namespace} {name}-driver; put that right and run this again.",
            )
        if time.monotonic() > deadline:
            cluster.delete(resource, name)
            raise MediaReviewError(
                f"SparkApplication {name} was not complete after {timeout_s:g} s ({state}); it was deleted.",
                "If it never ran, the Spark operator does not watch this namespace, or the cluster has no room.",
            )
        if state != told:
            told = state
            say(f"Spark: {state.lower()}")
        time.sleep(poll_s)
        try:
            stored = cluster.get_patiently(resource, name, deadline, lambda error: say(error.message))
        except KubernetesError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            raise MediaReviewError(f"SparkApplication {name} was deleted while it ran.", "Run this again.") from None


def _template(cluster: Kubernetes, resource: Resource) -> Object:
    try:
        return cluster.get(resource, TEMPLATE)
    except KubernetesError as error:
        if error.status != HTTPStatus.NOT_FOUND or error.unknown_kind:
            raise
        raise MediaReviewError(
            f"Namespace {resource.namespace} declares no SparkApplication {TEMPLATE!r}.",
            "The manifests bring it; apply them, or set MEDIAREVIEW_ENGINE_URL=duckdb://.",
        ) from None


def _copy(template: Object, name: str, pins: Mapping[str, int]) -> Object:
    labels = template["metadata"].get("labels", {})
    return {
        "apiVersion": template["apiVersion"],
        "kind": template["kind"],
        "metadata": {
            "name": name,
            "namespace": template["metadata"]["namespace"],
            "labels": {label: labels[label] for label in KEPT_LABELS if label in labels},
        },
        "spec": {
            **template["spec"],
            "suspend": False,
            "arguments": ["--pins", json.dumps(dict(pins), sort_keys=True)],
        },
    }


def _created(cluster: Kubernetes, resource: Resource, application: Object) -> Object:
    """Create it, or return the one that is at work; one that has ended makes room for a new attempt."""
    name = application["metadata"]["name"]
    try:
        return cluster.create(resource, application)
    except KubernetesError as error:
        if error.status != HTTPStatus.CONFLICT:
            raise
    stored = cluster.get(resource, name)
    if _state(stored) not in ("COMPLETED", "FAILED"):
        return stored
    cluster.delete(resource, name)
    return cluster.create(resource, application)


def _state(application: Object) -> str:
    """Return what the operator says; before it says anything, that the application is new."""
    return str(application.get("status", {}).get("applicationState", {}).get("state") or "NEW")
