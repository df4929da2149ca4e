"""What the commands of ``mediareview pipeline`` do on a server, and what a person sees of it."""

import json
from pathlib import Path
from typing import Any

from mediareview.console import console, output, table
from mediareview.errors import MediaReviewError
from mediareview.settings import get_settings
from pipelines.catalogue import check_name
from pipelines.cluster import load_config
from pipelines.kubeflow.api import Kubeflow
from pipelines.kubeflow.cron import with_seconds
from pipelines.kubeflow.runs import ClusterRun, latest_run, read_run, submit
from pipelines.kubeflow.schedules import all_schedules, disable_schedule, set_schedule
from pipelines.kubeflow.versions import ensure_version
from pipelines.kubeflow.watch import failure, follow, how_to_go_on, show
from pipelines.parameters import check_parameters

EXPERIMENT = "mediareview"
"""Experiment that runs belong to unless another one is named."""

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


def connect(endpoint: str | None, namespace: str | None) -> Kubeflow:
    """Connect to the server that is given or set, and make sure that it is one.

    Raises:
        MediaReviewError: there is none, or it does not answer as one.
    """
    if not endpoint and not get_settings().pipelines_url:
        raise MediaReviewError("Which server?", "Give --endpoint URL, or set MEDIAREVIEW_PIPELINES_URL.")
    kubeflow = Kubeflow.from_settings(endpoint or "", namespace or "")
    kubeflow.check()
    return kubeflow


def run(
    name: str,
    endpoint: str | None,
    parameters: dict[str, Any],
    namespace: str | None = None,
    config: Path | None = None,
    experiment: str | None = None,
    timeout_s: float | None = None,
    no_wait: bool = False,
    as_json: bool = False,
) -> int:
    """Submit a run, follow it unless told not to, print what it did, and return the exit code.

    Raises:
        MediaReviewError: it cannot be submitted, or it did not succeed.
    """
    check_parameters(name, parameters)
    cluster = load_config(config)
    with connect(endpoint, namespace) as kubeflow:
        console.print(f"[bold]▸ {name} ({parameters['profile']})[/bold] at {kubeflow.endpoint}")
        version = ensure_version(kubeflow, name, cluster)
        console.print(f"  version {version.name} [dim]{'uploaded' if version.uploaded else 'is there already'}[/dim]")
        submitted = submit(kubeflow, name, version, parameters, cluster, experiment or EXPERIMENT)
        console.print(f"  run {submitted.name}\n  {submitted.url}")
        return _finish(kubeflow, submitted, following=not no_wait, timeout_s=timeout_s, as_json=as_json)


def status(
    name: str,
    endpoint: str | None,
    namespace: str | None = None,
    run_id: str | None = None,
    following: bool = False,
    as_json: bool = False,
) -> int:
    """Print a run, followed to its end if wanted, and return the exit code.

    Raises:
        MediaReviewError: there is no such run, or it was followed and did not succeed.
    """
    check_name(name)
    with connect(endpoint, namespace) as kubeflow:
        known = read_run(kubeflow, name, run_id) if run_id else latest_run(kubeflow, name)
        return _finish(kubeflow, known, following, timeout_s=None, as_json=as_json)


def schedule(
    name: str,
    endpoint: str | None,
    parameters: dict[str, Any],
    cron: str | None,
    namespace: str | None = None,
    config: Path | None = None,
    experiment: str | None = None,
    max_concurrency: int = 1,
    enabled: bool = True,
    as_json: bool = False,
) -> None:
    """Set the schedule of a pipeline, or without a cron expression disable it, and print it.

    Raises:
        MediaReviewError: what is given is wrong, or the server refuses it.
    """
    check_name(name)
    if not cron and enabled:
        raise MediaReviewError("No time is given.", "For example --cron '0 3 * * *', or --disable.")
    check_parameters(name, parameters)
    seconds_first, cluster = with_seconds(cron) if cron else "", load_config(config)
    with connect(endpoint, namespace) as kubeflow:
        if cron:
            version = ensure_version(kubeflow, name, cluster)
            belongs_to = experiment or EXPERIMENT
            now = set_schedule(
                kubeflow, name, version, parameters, cluster, belongs_to, seconds_first, max_concurrency, enabled
            )
        else:
            now = disable_schedule(kubeflow, name)
    if as_json:
        print(now.model_dump_json(indent=2))
        return
    output.print(f"[bold]{name}[/bold]: {now.change}")
    output.print(f"cron {now.cron} (second, minute, hour, day of month, month, day of week), UTC", markup=False)
    output.print(
        f"{'enabled' if now.enabled else 'disabled'}, at most {now.max_concurrency} at a time, no catch-up; "
        f"parameters {json.dumps(now.parameters)}",
        markup=False,
    )


def show_schedules(endpoint: str | None, namespace: str | None, as_json: bool) -> None:
    """Print the schedules of all pipelines.

    Raises:
        MediaReviewError: the server does not answer.
    """
    with connect(endpoint, namespace) as kubeflow:
        found = all_schedules(kubeflow)
    if as_json:
        print(json.dumps([item.model_dump(mode="json", exclude={"change"}) for item in found], indent=2))
        return
    rows = [
        (
            item.pipeline,
            item.cron,
            "enabled" if item.enabled else "disabled",
            item.max_concurrency,
            json.dumps(item.parameters),
        )
        for item in found
    ]
    table("Schedules (cron with seconds first, UTC)", ["pipeline", "cron", "state", "at most", "parameters"], rows)


def _finish(kubeflow: Kubeflow, run: ClusterRun, following: bool, timeout_s: float | None, as_json: bool) -> int:
    """Follow a run if wanted, print what is known of it, and return the exit code."""
    try:
        if following:
            run = follow(kubeflow, run, timeout_s)
    except KeyboardInterrupt:
        console.print(f"\nNo longer followed. {how_to_go_on(kubeflow, run)}", markup=False)
        return INTERRUPTED
    if as_json:
        print(run.model_dump_json(indent=2))
    else:
        show(run)
    error = failure(run, kubeflow.namespace) if following else None
    if error:
        raise error
    if not run.ended:
        console.print(how_to_go_on(kubeflow, run), markup=False)
    return 0
