"""The command ``pipeline``: run, follow, schedule and compile pipelines. Heavy imports stay inside the functions."""

import json
from pathlib import Path
from typing import Any

import click

from pipelines.catalogue import PIPELINE_NAMES, STEPS

PROFILES = click.Choice(["quick", "demo", "full"])

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="YAML file that says how steps run on the cluster, for example manifests/overlays/kind/pipelines.yaml.",
)


@click.group()
def pipeline() -> None:
    """Run and compile the training pipelines."""


@pipeline.command("list")
def list_pipelines() -> None:
    """List the pipelines and their steps."""
    for name in PIPELINE_NAMES:
        click.echo(f"{name}: {' > '.join(STEPS)}")


@pipeline.command("run")
@click.argument("name")
@click.option("--local", is_flag=True, required=True, help="Run here, in subprocesses, with Kubeflow's local runner.")
@click.option("--profile", type=PROFILES, default="demo", show_default=True, help="How much to train.")
@click.option(
    "--param", "parameters", multiple=True, metavar="KEY=VALUE", help="A pipeline parameter or a configuration field."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def run_pipeline(name: str, local: bool, profile: str, parameters: tuple[str, ...], as_json: bool) -> None:
    """Run the pipeline NAME. Steps done before with the same inputs are not done again."""
    from mediareview.console import console, duration, step
    from pipelines.card import show_card
    from pipelines.local import run_locally

    with step(f"{name} ({profile})"):
        run = run_locally(name, {"profile": profile, **_pipeline_parameters(parameters)})
    if as_json:
        click.echo(run.model_dump_json(indent=2))
    else:
        console.print(f"{name} took {duration(sum(run.seconds.values()))}; log: {run.log}", soft_wrap=True)
        show_card(name.removeprefix("train-"), "champion")


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


@pipeline.command("status")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def pipeline_status(name: str, as_json: bool) -> None:
    """Show the latest local run of the pipeline NAME."""
    from mediareview.console import output, table
    from mediareview.errors import MediaReviewError
    from pipelines.local import last_run

    run = last_run(name)
    if run is None:
        raise MediaReviewError(f"{name} has not run here.", f"Run it: mediareview pipeline run {name} --local")
    if as_json:
        click.echo(run.model_dump_json(indent=2))
        return
    rows = [(task, "cached" if task in run.cached else f"{run.seconds.get(task, 0.0):.1f} s") for task in STEPS]
    done = "succeeded" if run.succeeded else "failed"
    table(f"{name} {done}, started {run.started_at:%Y-%m-%d %H:%M:%S} UTC", ["step", "took"], rows)
    output.print(f"log: {run.log}")


def _pipeline_parameters(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Split KEY=VALUE pairs into the pipeline's own parameters and overrides of the model's configuration."""
    parameters: dict[str, Any] = {}
    overrides: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator:
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--param")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        (parameters if key in ("profile", "min_gain") else overrides)[key] = value
    return {**parameters, "overrides": overrides} if overrides else parameters
