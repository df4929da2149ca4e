"""Schedules: one recurring run for each pipeline, made to be as it is wanted, and left alone if it is so already.

The API cannot change a recurring run, so a changed one is created anew, disabled; then the two change places; then the
old one is deleted. An interruption leaves one of them enabled, and the next call tidies up.
"""

import hashlib
import json
import re
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal

import kfp_server_api
from pydantic import BaseModel

from mediareview.errors import MediaReviewError
from pipelines.catalogue import PIPELINE_NAMES, check_name
from pipelines.cluster import ClusterConfig
from pipelines.kubeflow.api import Kubeflow, create_once, listed, name_filter
from pipelines.kubeflow.errors import NotFoundError
from pipelines.kubeflow.versions import Version, ensure_experiment

_DESCRIPTION = "Kept by `mediareview pipeline schedule`; settings {digest}."
_DIGEST = re.compile(r"Kept by `mediareview pipeline schedule`; settings ([0-9a-f]{16})\.")

Change = Literal["created", "updated", "enabled", "disabled", "unchanged"]


class Schedule(BaseModel):
    """When a pipeline runs by itself."""

    pipeline: str
    recurring_run_id: str
    cron: str
    """Six fields, seconds first, UTC."""
    enabled: bool
    max_concurrency: int
    parameters: dict[str, Any] = {}
    version_id: str = ""
    """The version of the pipeline that it runs."""
    created_at: datetime | None = None
    change: Change = "unchanged"
    """What the call that returned this has done."""


def set_schedule(
    kubeflow: Kubeflow,
    name: str,
    version: Version,
    parameters: dict[str, Any],
    config: ClusterConfig,
    experiment: str,
    cron: str,
    max_concurrency: int = 1,
    enabled: bool = True,
) -> Schedule:
    """Make the schedule of a pipeline be this one. Doing it again changes nothing.

    Args:
        kubeflow: the server.
        name: the pipeline.
        version: its version that is to run.
        parameters: of each run.
        config: for the service account.
        experiment: to which the runs belong.
        cron: six fields, seconds first.
        max_concurrency: how many of its runs may run at a time, 1 to 10. Runs that were missed are not caught up on.
        enabled: whether it is to run at all.

    Raises:
        MediaReviewError: the server refuses it, or does not answer.
    """
    wanted = kfp_server_api.V2beta1RecurringRun(
        display_name=name,
        experiment_id=ensure_experiment(kubeflow, experiment),
        pipeline_version_reference=version.reference(),
        runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters=parameters),
        service_account=config.service_account,
        max_concurrency=str(max_concurrency),
        no_catchup=True,
        trigger=kfp_server_api.V2beta1Trigger(cron_schedule=kfp_server_api.V2beta1CronSchedule(cron=cron)),
        **kubeflow.scope(),
    )
    digest = hashlib.sha256(json.dumps(wanted.to_dict(), sort_keys=True, default=str).encode()).hexdigest()[:16]
    there = _ours(kubeflow, name)
    kept = next((run for run in there if _digest(run) == digest), None)
    others = [run for run in there if run is not kept]
    change: Change
    if kept is None:
        wanted.description, wanted.mode = _DESCRIPTION.format(digest=digest), "DISABLE"
        kept = create_once(
            lambda: kubeflow.recurring_runs.recurring_run_service_create_recurring_run(wanted),
            lambda: next((run for run in _ours(kubeflow, name) if _digest(run) == digest), None),
        )
        change = "updated" if others else "created"
    elif others:  # an earlier call was interrupted
        change = "updated"
    else:
        change = "unchanged" if _enabled(kept) == enabled else "enabled" if enabled else "disabled"
    _exchange(kubeflow, kept, [run for run in others if _enabled(run)], enabled)
    for run in others:
        _delete(kubeflow, run)
    return _record(kubeflow.recurring_runs.recurring_run_service_get_recurring_run(kept.recurring_run_id), name, change)


def disable_schedule(kubeflow: Kubeflow, name: str) -> Schedule:
    """Stop a schedule from starting runs. It stays, to be enabled again.

    Raises:
        MediaReviewError: the pipeline has none.
    """
    there = _ours(kubeflow, check_name(name))
    if not there:
        raise MediaReviewError(
            f"{name} has no schedule at {kubeflow.endpoint}.",
            f"Make one: mediareview pipeline schedule {name} --endpoint {kubeflow.endpoint} --cron '0 3 * * *'",
        )
    enabled = [run for run in there if _enabled(run)]
    for run in enabled:
        kubeflow.recurring_runs.recurring_run_service_disable_recurring_run(run.recurring_run_id)
    newest = kubeflow.recurring_runs.recurring_run_service_get_recurring_run(there[0].recurring_run_id)
    return _record(newest, name, "disabled" if enabled else "unchanged")


def all_schedules(kubeflow: Kubeflow) -> list[Schedule]:
    """Return the schedules of all pipelines."""
    return [_record(run, name) for name in PIPELINE_NAMES for run in _ours(kubeflow, name)]


def _exchange(kubeflow: Kubeflow, kept: kfp_server_api.V2beta1RecurringRun, enabled: list[Any], wanted: bool) -> None:
    """Leave the kept one as wanted and the others disabled. If that fails half-way, go back; never enable two."""
    api = kubeflow.recurring_runs
    if not wanted:
        for run in [*enabled, *([kept] if _enabled(kept) else [])]:
            api.recurring_run_service_disable_recurring_run(run.recurring_run_id)
        return
    try:
        for run in enabled:
            api.recurring_run_service_disable_recurring_run(run.recurring_run_id)
        if not _enabled(kept):
            api.recurring_run_service_enable_recurring_run(kept.recurring_run_id)
    except BaseException:  # Ctrl-C, too
        with suppress(MediaReviewError):  # the first error is what matters, and the next call tidies up
            api.recurring_run_service_disable_recurring_run(kept.recurring_run_id)
            for run in enabled[:1]:
                api.recurring_run_service_enable_recurring_run(run.recurring_run_id)
        raise


def _delete(kubeflow: Kubeflow, run: kfp_server_api.V2beta1RecurringRun) -> None:
    try:
        kubeflow.recurring_runs.recurring_run_service_delete_recurring_run(run.recurring_run_id)
    except NotFoundError:  # by a first attempt whose answer was lost, or by somebody else
        return


def _ours(kubeflow: Kubeflow, name: str) -> list[kfp_server_api.V2beta1RecurringRun]:
    """Return the recurring runs of that name that this module made, newest first. Those of others are left alone."""
    found = listed(
        kubeflow.recurring_runs.recurring_run_service_list_recurring_runs,
        "recurring_runs",
        filter=name_filter("EQUALS", name),
        sort_by="created_at desc",
        **kubeflow.scope(),
    )
    return [run for run in found if run.display_name == name and _digest(run)]


def _digest(run: kfp_server_api.V2beta1RecurringRun) -> str:
    match = _DIGEST.fullmatch(run.description or "")
    return match[1] if match else ""


def _enabled(run: kfp_server_api.V2beta1RecurringRun) -> bool:
    return bool(run.mode == "ENABLE")


def _record(run: kfp_server_api.V2beta1RecurringRun, name: str, change: Change = "unchanged") -> Schedule:
    return Schedule(
        pipeline=name,
        recurring_run_id=run.recurring_run_id,
        cron=run.trigger.cron_schedule.cron,
        enabled=_enabled(run),
        max_concurrency=int(run.max_concurrency),
        parameters=(run.runtime_config and run.runtime_config.parameters) or {},
        version_id=(run.pipeline_version_reference and run.pipeline_version_reference.pipeline_version_id) or "",
        created_at=run.created_at,
        change=change,
    )
