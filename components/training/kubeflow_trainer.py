"""Run a TrainJob: create it, follow it to its end, say why it failed, and clear it away."""

import time
from http import HTTPStatus

from components.training.trainjob import API_VERSION, PLURAL, RUNTIME
from mediareview.console import console
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import ACCOUNT, Kubernetes, KubernetesError, Object, Resource

POLL_S = 5.0
DELETION_S = 300.0
"""Longest wait until a failed TrainJob and its pods are gone."""
JOB_OF_POD = "jobset.sigs.k8s.io/jobset-name"
"""Label of a TrainJob's pods, with its name."""
LAST_LINES = 15


def current_namespace() -> str:
    """Return the namespace of this pod.

    Raises:
        MediaReviewError: this is no pod of a cluster.
    """
    try:
        return (ACCOUNT / "namespace").read_text().strip()
    except OSError:
        raise MediaReviewError(
            "A training on several nodes is started by a pipeline step on a cluster, and this is none.",
            "Here, set MEDIAREVIEW_TRAINING_NODES=1; MEDIAREVIEW_TRAINING_PROCESSES_PER_NODE uses the cores of one "
            "machine.",
        ) from None


def run_trainjob(job: Object, cluster: Kubernetes, timeout_s: float, poll_s: float = POLL_S) -> None:
    """Run a TrainJob and delete it when it is complete. One of that name that runs already is followed instead.

    Args:
        job: the TrainJob.
        cluster: calls the API.
        timeout_s: longest time it may take from now on.
        poll_s: time between two looks at it.

    Raises:
        KubernetesError: it cannot be created or seen; if it runs, it goes on.
        MediaReviewError: it failed or took too long, or Kubeflow Trainer is not installed.
    """
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    resource = Resource(API_VERSION, PLURAL, namespace)
    deadline = time.monotonic() + timeout_s
    stored = _created(cluster, resource, job, poll_s)
    console.print(f"  TrainJob {name}; logs: kubectl logs -n {namespace} -f -l {JOB_OF_POD}={name} --prefix")
    told = ""
    while not _condition(stored, "Complete"):
        if failure := _condition(stored, "Failed"):
            said = _last_words(cluster, namespace, name)
            raise MediaReviewError(
                f"TrainJob {name} failed: {failure.get('message', '')}\n{said}".strip(),
                "Put that right and run the step again: it goes on from the last complete epoch.",
            )
        if time.monotonic() > deadline:
            delete_trainjob(name, resource.namespace, cluster)
            raise MediaReviewError(
                f"TrainJob {name} was not complete after {timeout_s:g} s ({_progress(stored)}); it was deleted.",
                "Run the step again: it goes on from the last complete epoch. If no node was ever ready, the cluster "
                "has no room for them. MEDIAREVIEW_TRAINING_TIMEOUT_S sets the time.",
            )
        if (progress := _progress(stored)) != told:
            told = progress
            console.print(f"  {progress}")
        time.sleep(poll_s)
        try:
            stored = cluster.get_patiently(resource, name, deadline, _say)
        except KubernetesError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            raise MediaReviewError(
                f"TrainJob {name} was deleted while it ran.",
                "Run the step again: it goes on from the last complete epoch.",
            ) from None
    delete_trainjob(name, resource.namespace, cluster)


def _created(cluster: Kubernetes, resource: Resource, job: Object, poll_s: float) -> Object:
    """Create the TrainJob, or return the one that is there; one that failed makes room for a new attempt."""
    name = job["metadata"]["name"]
    try:
        return cluster.create(resource, job)
    except KubernetesError as error:
        if error.status != HTTPStatus.CONFLICT:
            raise _refusal(error) from None
    stored = cluster.get(resource, name)
    if not _condition(stored, "Failed"):
        return stored
    delete_trainjob(name, resource.namespace, cluster)
    deadline = time.monotonic() + DELETION_S
    while _exists(cluster, resource, name) or _pods(cluster, resource.namespace, name):
        if time.monotonic() > deadline:
            raise MediaReviewError(
                f"TrainJob {name} of an earlier attempt is not gone {DELETION_S:g} s after it was deleted.",
                f"kubectl describe -n {resource.namespace} trainjob {name} tells what holds it.",
            )
        time.sleep(poll_s)
    return cluster.create(resource, job)


def _refusal(error: KubernetesError) -> MediaReviewError:
    """Return what it means that the TrainJob could not be created."""
    hint = error.hint
    if error.unknown_kind:
        return MediaReviewError(
            f"Kubeflow Trainer is not installed in this cluster: it does not know {API_VERSION}.",
            "Install Kubeflow Trainer 2.2 or later, or set MEDIAREVIEW_TRAINING_NODES=1.",
        )
    if "exceeded quota" in error.message:
        hint = (
            "Ask for less (MEDIAREVIEW_TRAINING_NODES, MEDIAREVIEW_TRAINING_RESOURCES_PER_NODE), or have the "
            "namespace's ResourceQuota raised."
        )
    elif "admission webhook" in error.message:
        hint = f"The manifests bring the TrainingRuntime {RUNTIME!r}; apply them to this namespace."
    return KubernetesError(error.message, hint, error.status)


def _say(error: KubernetesError) -> None:
    console.print(f"  {error.message} Trying again.", markup=False)


def _condition(job: Object, kind: str) -> Object | None:
    """Return a condition of a TrainJob if it is true."""
    conditions = job.get("status", {}).get("conditions", [])
    return next((item for item in conditions if (item["type"], item["status"]) == (kind, "True")), None)


def _progress(job: Object) -> str:
    if _condition(job, "Suspended"):
        return "suspended: its queue has not admitted it yet"
    jobs: list[Object] = job.get("status", {}).get("jobsStatus", [])
    if any(item["succeeded"] for item in jobs):
        return "finished"
    return "at work" if any(item["ready"] for item in jobs) else "waiting for its nodes"


def _exists(cluster: Kubernetes, resource: Resource, name: str) -> bool:
    try:
        cluster.get(resource, name)
    except KubernetesError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return False
    return True


def delete_trainjob(name: str, namespace: str, cluster: Kubernetes) -> None:
    """Delete a TrainJob, with its pods, if there is one.

    Raises:
        KubernetesError: it cannot be deleted.
    """
    try:
        cluster.delete(Resource(API_VERSION, PLURAL, namespace), name)
    except KubernetesError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise


def _pods(cluster: Kubernetes, namespace: str, name: str) -> list[Object]:
    """Return the TrainJob's pods, if they may be seen."""
    try:
        pods = cluster.list(Resource("v1", "pods", namespace))
    except KubernetesError as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        return []
    return [pod for pod in pods if pod["metadata"].get("labels", {}).get(JOB_OF_POD) == name]


def _last_words(cluster: Kubernetes, namespace: str, name: str) -> str:
    """Return what the pod that failed first said last, and how it ended."""
    ends = [
        (state["terminated"].get("finishedAt", ""), pod["metadata"]["name"], state["terminated"])
        for pod in _pods(cluster, namespace, name)
        for container in pod.get("status", {}).get("containerStatuses", [])
        for state in (container["state"], container.get("lastState", {}))
        if state.get("terminated", {}).get("exitCode")
    ]
    if not ends:
        return ""
    _, pod, end = min(ends, key=lambda item: item[:2])
    said = "\n".join(str(end.get("message", "")).strip().splitlines()[-LAST_LINES:])
    return f"{pod}, {end.get('reason', 'Error')} (exit code {end['exitCode']}): {said}"
