"""Runs on the server: submit one, read what it did, stop it."""

import secrets
from datetime import UTC, datetime
from typing import Any

import kfp_server_api
from pydantic import BaseModel, Field

from mediareview.errors import MediaReviewError
from pipelines.catalogue import STEPS, check_name
from pipelines.cluster import ClusterConfig
from pipelines.kubeflow.api import Kubeflow, create_once, find, listed, name_filter
from pipelines.kubeflow.versions import Version, ensure_experiment, find_pipeline

SUCCEEDED = "SUCCEEDED"
ENDED = (SUCCEEDED, "FAILED", "CANCELED", "SKIPPED")
"""States that a run or a task does not leave."""


class TaskRun(BaseModel):
    """What is known about one step of a run."""

    name: str
    state: str
    """PENDING, RUNNING, SUCCEEDED, SKIPPED, FAILED, CANCELING, CANCELED or PAUSED."""
    seconds: float | None = None
    """How long it ran, waiting for its pod included; None while it has not ended."""
    cached: bool = False
    """Whether an earlier result was used."""
    error: str = ""
    """What Kubeflow says about its failure, which may be nothing."""


class ClusterRun(BaseModel):
    """What is known about a run."""

    pipeline: str
    run_id: str
    name: str
    url: str
    """Its page in the user interface."""
    state: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    created_at: datetime | None = None
    finished_at: datetime | None = None
    tasks: list[TaskRun] = Field(default_factory=list)
    """Steps that have been started, in their order."""
    error: str = ""

    @property
    def ended(self) -> bool:
        """Whether it is over, well or not."""
        return self.state in ENDED

    @property
    def seconds(self) -> float | None:
        """How long the whole run took, in seconds; None while it has not ended."""
        if self.ended and self.created_at and self.finished_at:
            return (self.finished_at - self.created_at).total_seconds()
        return None


def submit(
    kubeflow: Kubeflow,
    name: str,
    version: Version,
    parameters: dict[str, Any],
    config: ClusterConfig,
    experiment: str,
) -> ClusterRun:
    """Start a run, once: if the answer is lost, the run is looked for before another is started.

    Raises:
        MediaReviewError: the server refuses it, or does not answer.
    """
    label = f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    experiment_id = ensure_experiment(kubeflow, experiment)
    wanted = kfp_server_api.V2beta1Run(
        display_name=label,
        experiment_id=experiment_id,
        pipeline_version_reference=version.reference(),
        runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters=parameters),
        service_account=config.service_account,
    )
    created = create_once(
        lambda: kubeflow.runs.run_service_create_run(wanted),
        lambda: find(kubeflow.runs.run_service_list_runs, "runs", label, experiment_id=experiment_id),
    )
    return _record(kubeflow, name, created)


def read_run(kubeflow: Kubeflow, name: str, run_id: str) -> ClusterRun:
    """Return what is known about a run.

    Raises:
        MediaReviewError: there is none of that ID.
    """
    return _record(kubeflow, name, kubeflow.runs.run_service_get_run(run_id))


def latest_run(kubeflow: Kubeflow, name: str) -> ClusterRun:
    """Return the newest run of a pipeline, scheduled or submitted.

    Raises:
        MediaReviewError: there is no such pipeline, or it never ran on this server.
    """
    pipeline = find_pipeline(kubeflow, check_name(name))
    # Runs carry the name of their pipeline or schedule, so the server can leave out most others.
    runs = listed(
        kubeflow.runs.run_service_list_runs,
        "runs",
        filter=name_filter("IS_SUBSTRING", name),
        sort_by="created_at desc",
        **kubeflow.scope(),
    )
    for run in runs if pipeline else ():
        reference = run.pipeline_version_reference
        if pipeline and reference and reference.pipeline_id == pipeline.pipeline_id:
            return read_run(kubeflow, name, run.run_id)
    raise MediaReviewError(
        f"{name} has not run at {kubeflow.endpoint}.",
        f"Run it: mediareview pipeline run {name} --endpoint {kubeflow.endpoint}",
    )


def stop_run(kubeflow: Kubeflow, run_id: str) -> None:
    """Stop a run. What its steps have finished stays, and is used again.

    Raises:
        MediaReviewError: there is none of that ID.
    """
    kubeflow.runs.run_service_terminate_run(run_id)


def _record(kubeflow: Kubeflow, name: str, run: kfp_server_api.V2beta1Run) -> ClusterRun:
    details = (run.run_details and run.run_details.task_details) or []
    by_pod = {key: detail for detail in details for key in (detail.pod_name, detail.task_id) if key}
    # Besides the steps there are nodes of Kubeflow's own: drivers, executors, the root.
    tasks = {detail.display_name: _task(detail, by_pod) for detail in details if detail.display_name in STEPS}
    return ClusterRun(
        pipeline=name,
        run_id=run.run_id,
        name=run.display_name,
        url=f"{kubeflow.endpoint}/#/runs/details/{run.run_id}",
        state=run.state or "PENDING",
        parameters=(run.runtime_config and run.runtime_config.parameters) or {},
        created_at=_time(run.created_at),
        finished_at=_time(run.finished_at),
        tasks=[tasks[step] for step in STEPS if step in tasks],
        error=_error(run),
    )


def _task(detail: kfp_server_api.V2beta1PipelineTaskDetail, by_pod: dict[str, Any]) -> TaskRun:
    started, ended = _time(detail.start_time), _time(detail.end_time)
    children = [by_pod.get(child.pod_name or child.task_id) for child in detail.child_tasks or ()]
    return TaskRun(
        name=detail.display_name,
        state=detail.state or "PENDING",
        seconds=(ended - started).total_seconds() if started and ended and detail.state in ENDED else None,
        # A cached step succeeds without its executor, which is left out.
        cached=detail.state == SUCCEEDED and any(child and child.state == "SKIPPED" for child in children),
        error=_error(detail),
    )


def _error(of: Any) -> str:
    """Return the error of a run or task, or the last of its history."""
    statuses = [of, *reversed(of.state_history or [])]
    return next((status.error.message.strip() for status in statuses if status.error and status.error.message), "")


def _time(value: datetime | None) -> datetime | None:
    """Return a time, or None for the zero of Go and of Unix, which stand for none."""
    return value if value and value.year > 1970 else None
