"""The command ``pipeline``: run, follow, stop, schedule and compile. Heavy imports stay inside the functions."""

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import click

from mediareview.errors import MediaReviewError
from mediareview.settings import get_settings
from pipelines.catalogue import PIPELINE_NAMES, STEPS

PROFILES = click.Choice(["quick", "demo", "full"])

Decorator = Callable[[Any], Any]


def _options(*decorators: Decorator) -> Decorator:
    """Make one decorator of several, in the order in which the help lists them."""
    return lambda function: reduce(lambda inner, decorator: decorator(inner), reversed(decorators), function)


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="YAML file that says how steps run on the cluster, for example manifests/overlays/kind/pipelines.yaml.",
)
endpoint_options = _options(
    click.option("--endpoint", metavar="URL", help="Kubeflow Pipelines server.  [default: MEDIAREVIEW_PIPELINES_URL]"),
    click.option("--namespace", help="Namespace of runs, if the server has several users."),
)
training_options = _options(
    click.option("--profile", type=PROFILES, default="demo", show_default=True, help="How much to train."),
    click.option(
        "--param", "pairs", multiple=True, metavar="KEY=VALUE", help="A pipeline parameter or a configuration field."
    ),
)
experiment_option = click.option("--experiment", help="Experiment that runs belong to.  [default: mediareview]")


@click.group()
def pipeline() -> None:
    """Run, schedule and compile the training pipelines."""


@pipeline.command("list")
def list_pipelines() -> None:
    """List the pipelines and their steps."""
    for name in PIPELINE_NAMES:
        click.echo(f"{name}: {' > '.join(STEPS)}")


@pipeline.command("run")
@click.argument("name")
@click.option("--local", is_flag=True, help="Run here, in subprocesses, with Kubeflow's local runner.")
@endpoint_options
@training_options
@config_option
@experiment_option
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Stop following then; the run goes on.",
)
@click.option("--no-wait", is_flag=True, help="Do not follow the run.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def run_pipeline(
    name: str, local: bool, endpoint: str | None, profile: str, pairs: tuple[str, ...], as_json: bool, **cluster: Any
) -> int:
    """Run the pipeline NAME, here or on a cluster. Steps done before with the same inputs are not done again."""
    from pipelines.parameters import parse_parameters

    parameters = {"profile": profile, **parse_parameters(pairs)}
    if _local(local, endpoint, cluster, default=None):
        return _run_here(name, parameters, as_json)
    from pipelines.kubeflow import commands

    return commands.run(name, endpoint, parameters, as_json=as_json, **cluster)


@pipeline.command("status")
@click.argument("name")
@click.option("--local", is_flag=True, help="The latest run here, even if a server is set.")
@endpoint_options
@click.option("--run", "run_id", metavar="ID", help="This run instead of the latest.")
@click.option("--follow", "following", is_flag=True, help="Follow the run until it ends.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def pipeline_status(name: str, local: bool, endpoint: str | None, as_json: bool, **cluster: Any) -> int:
    """Show the latest run of the pipeline NAME."""
    if _local(local, endpoint, cluster, default=True):
        return _show_local(name, as_json)
    from pipelines.kubeflow import commands

    return commands.status(name, endpoint, as_json=as_json, **cluster)


@pipeline.command("stop")
@click.argument("run_id", metavar="RUN")
@endpoint_options
def stop_pipeline(run_id: str, endpoint: str | None, namespace: str | None) -> None:
    """Stop the run with the ID RUN. What its steps have finished is used again by the next one."""
    from mediareview.console import console
    from pipelines.kubeflow.commands import connect
    from pipelines.kubeflow.runs import stop_run

    with connect(endpoint, namespace) as kubeflow:
        stop_run(kubeflow, run_id)
    console.print(f"{run_id} is being stopped.")


@pipeline.command("schedule")
@click.argument("name")
@endpoint_options
@click.option("--cron", metavar="EXPRESSION", help="When, in UTC: '0 3 * * *' is each day at 03:00.")
@click.option(
    "--max-concurrency", type=click.IntRange(1, 10), default=1, show_default=True, help="Runs at a time, at most."
)
@training_options
@config_option
@experiment_option
@click.option("--disable", is_flag=True, help="Keep the schedule, but start no runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the schedule as JSON.")
def schedule_pipeline(
    name: str,
    endpoint: str | None,
    cron: str | None,
    profile: str,
    pairs: tuple[str, ...],
    disable: bool,
    as_json: bool,
    **schedule: Any,
) -> None:
    """Let the pipeline NAME run by itself. The same command again changes nothing; another one changes the schedule.

    Runs that were missed, because the cluster was down or the schedule disabled, are not made up for. With --disable
    and without --cron the schedule stays as it is, disabled.
    """
    from pipelines.kubeflow import commands
    from pipelines.parameters import parse_parameters

    parameters = {"profile": profile, **parse_parameters(pairs)}
    commands.schedule(name, endpoint, parameters, cron, enabled=not disable, as_json=as_json, **schedule)


@pipeline.command("schedules")
@endpoint_options
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_schedules(endpoint: str | None, namespace: str | None, as_json: bool) -> None:
    """List the schedules of all pipelines."""
    from pipelines.kubeflow.commands import show_schedules

    show_schedules(endpoint, namespace, as_json)


@pipeline.command("compile")
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="All pipelines, as without NAME.")
@config_option
@click.option("--output", type=click.Path(path_type=Path), default=Path("build/pipelines"), show_default=True)
@click.option(
    "--kubernetes-manifest", "objects", is_flag=True, help="Write Pipeline and PipelineVersion objects instead."
)
@click.option("--namespace", default="", help="Namespace of these objects.")
def compile_pipelines(
    name: str | None, every: bool, config: Path | None, output: Path, objects: bool, namespace: str
) -> None:
    """Compile the pipeline NAME, or all, with how their steps run on the cluster, to IR YAML."""
    from pipelines.cluster import load_config
    from pipelines.compile import compile_pipeline, compile_to_objects

    if name and every:
        raise click.UsageError("Give a NAME or --all, not both.")
    cluster = load_config(config)
    for chosen in [name] if name else PIPELINE_NAMES:
        compiled = (
            compile_to_objects(chosen, output, cluster, namespace)
            if objects
            else compile_pipeline(chosen, output, cluster)
        )
        click.echo(compiled)


def _local(local: bool, endpoint: str | None, cluster: dict[str, Any], default: bool | None) -> bool:
    """Decide between here and a cluster, of which exactly one is meant."""
    options = {option.name: option.opts[0] for option in click.get_current_context().command.params}
    given = [options[name] for name, value in cluster.items() if value]
    if local and (endpoint or given):
        raise MediaReviewError(
            f"--local and {', '.join(['--endpoint'] if endpoint else given)} do not go together.",
            "Run here with --local, or on a cluster with --endpoint URL.",
        )
    if local or endpoint or get_settings().pipelines_url:
        return local
    if given or default is None:
        raise MediaReviewError(
            "Where?", "Here with --local, or on a cluster with --endpoint URL (or MEDIAREVIEW_PIPELINES_URL)."
        )
    return default


def _run_here(name: str, parameters: dict[str, Any], as_json: bool) -> int:
    from mediareview.console import console, duration, step
    from pipelines.card import show_card
    from pipelines.local import run_locally

    with step(f"{name} ({parameters['profile']})"):
        run = run_locally(name, parameters)
    if as_json:
        click.echo(run.model_dump_json(indent=2))
    else:
        console.print(f"{name} took {duration(sum(run.seconds.values()))}; log: {run.log}", soft_wrap=True)
        show_card(name.removeprefix("train-"), "champion")
    return 0


def _show_local(name: str, as_json: bool) -> int:
    from mediareview.console import output, table
    from pipelines.local import last_run

    run = last_run(name)
    if run is None:
        raise MediaReviewError(f"{name} has not run here.", f"Run it: mediareview pipeline run {name} --local")
    if as_json:
        click.echo(run.model_dump_json(indent=2))
        return 0
    rows = [(task, "cached" if task in run.cached else f"{run.seconds.get(task, 0.0):.1f} s") for task in STEPS]
    done = "succeeded" if run.succeeded else "failed"
    table(f"{name} {done}, started {run.started_at:%Y-%m-%d %H:%M:%S} UTC", ["step", "took"], rows)
    output.print(f"log: {run.log}")
    return 0
