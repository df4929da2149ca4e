"""The commands ``pipeline``, ``models`` and ``up``. Heavy imports stay inside the functions."""

import json
from pathlib import Path
from typing import Any

import click

from components.commands import reading_options
from pipelines.catalogue import PIPELINE_NAMES, STEPS

PROFILES = click.Choice(["quick", "demo", "full"])


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
    from pipelines.local import run_locally

    with step(f"{name} ({profile})"):
        run = run_locally(name, {"profile": profile, **_pipeline_parameters(parameters)})
    if as_json:
        click.echo(run.model_dump_json(indent=2))
    else:
        console.print(f"{name} took {duration(sum(run.seconds.values()))}; log: {run.log}", soft_wrap=True)
        _show_model(name.removeprefix("train-"), "champion", as_json=False)


@pipeline.command("compile")
@click.argument("name", required=False)
@click.option("--output", type=click.Path(path_type=Path), default=Path("build/pipelines"), show_default=True)
def compile_pipelines(name: str | None, output: Path) -> None:
    """Compile the pipeline NAME, or all, to IR YAML for a Kubeflow Pipelines server."""
    from pipelines.compile import compile_pipeline

    for chosen in [name] if name else PIPELINE_NAMES:
        click.echo(compile_pipeline(chosen, output))


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


@click.group()
def models() -> None:
    """Look at registered models and score them on data."""


@models.command("list")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_models(name: str | None, as_json: bool) -> None:
    """List the registered versions of NAME, or of all models."""
    from dataclasses import asdict

    from components.registry import Registry
    from components.training.models import TRAINABLE, trainable
    from mediareview.console import table

    names = [trainable(name).name] if name else list(TRAINABLE)
    registry = Registry.from_settings()
    versions = [version for name in names for version in registry.versions(name)]
    if as_json:
        click.echo(json.dumps([asdict(version) for version in versions], indent=2))
        return
    table(
        "Registered models",
        ["model", "version", "alias", "role", "decision of the gate"],
        [
            (item.name, item.version, ", ".join(item.aliases), item.tags.get("role", ""), item.tags.get("decision", ""))
            for item in versions
        ],
    )


@models.command("show")
@click.argument("name")
@click.option("--version", default="champion", show_default=True, help="Version number or alias.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest with the whole card as JSON.")
def show_model(name: str, version: str, as_json: bool) -> None:
    """Show the model card of NAME."""
    _show_model(name, version, as_json)


def _show_model(name: str, version: str, as_json: bool) -> None:
    from components.registry import Registry
    from mediareview.console import output, table

    registry = Registry.from_settings()
    manifest = registry.manifest(registry.version(name, version))
    card = manifest.card
    if as_json:
        click.echo(manifest.model_dump_json(indent=2))
        return
    output.print(f"[bold]{name} version {manifest.version}[/bold] ({manifest.variety}), code {card.code_revision}")
    for line in (card.summary, f"Labels: {card.labels}" if card.labels else "", f"Gate: {card.decision}"):
        if line:
            output.print(line, markup=False)
    output.print("Data: " + ", ".join(f"{table_} v{number}" for table_, number in card.lake_versions.items()))
    if card.evaluation:
        evaluation = card.evaluation
        output.print(f"Test split: {evaluation.split}, seed {evaluation.seed}", markup=False)
        whole = [metric for metric in evaluation.candidate.metrics if not metric.slice]
        slices = [metric for metric in evaluation.candidate.metrics if metric.slice]
        names = [score.name for score in evaluation.scores]
        table("Metrics", ["metric", "95 % interval", *names], [_scores(metric, evaluation) for metric in whole])
        if slices:
            rows = [(metric.slice, *_scores(metric, evaluation)) for metric in slices]
            table("Slices", ["slice", "metric", "95 % interval", *names], rows)
    for limit in card.limits:
        output.print(f"- {limit}", markup=False)


def _scores(metric: Any, evaluation: Any) -> tuple[str, ...]:
    """Return a metric's name, the interval of the candidate, and the value of every model."""
    interval = f"{metric.ci_low:.3f} to {metric.ci_high:.3f}" if metric.ci_low is not None else ""
    values = [
        next((item.value for item in score.metrics if (item.name, item.slice) == (metric.name, metric.slice)), None)
        for score in evaluation.scores
    ]
    return (metric.name, interval, *("" if value is None else f"{value:.3f}" for value in values))


@models.command("evaluate")
@click.argument("name")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="A file in any format that ingest reads.")
@click.option("--version", default="champion", show_default=True, help="Version number or alias.")
@reading_options
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON.")
def evaluate_model(name: str, data: Path, version: str, as_json: bool, **reading: Any) -> None:
    """Score a registered model NAME on a file it never saw."""
    from components.registry import Registry
    from components.training.models import trainable
    from mediareview.console import table

    model = trainable(name)
    registry = Registry.from_settings()
    chosen = registry.version(name, version)
    metrics = model.module("score").score_file(registry.download(chosen.uri), data, **reading)
    if as_json:
        scored = {"model": name, "version": chosen.version, "data": str(data)}
        click.echo(json.dumps({**scored, "metrics": [metric.model_dump() for metric in metrics]}, indent=2))
        return
    rows = [(m.name, m.slice, m.value, _interval(m), m.rows or "") for m in metrics]
    table(
        f"{name} version {chosen.version} on {data.name}", ["metric", "slice", "value", "95 % interval", "rows"], rows
    )


def _interval(metric: Any) -> str:
    return "" if metric.ci_low is None else f"{metric.ci_low:.4f} to {metric.ci_high:.4f}"


@click.command()
@click.option("--check", is_flag=True, help="Call every endpoint, print what was seen, and exit with 0 or 1.")
@click.option("--profile", type=PROFILES, default="demo", show_default=True, help="How much to train.")
@click.option("--sample", is_flag=True, help="Use a small sample of the demo data.")
@click.option("--port", type=int, default=None, help="Port of the API; 0 chooses a free one.")
@click.option("--retrain", is_flag=True, help="Train even if the champion was trained on the same data and code.")
def up(check: bool, profile: str, sample: bool, port: int | None, retrain: bool) -> int:
    """Everything on this machine: demo data, features, three trained models, and the API."""
    from mediareview.settings import get_settings
    from pipelines.up import bring_up

    settings = get_settings()
    if port is not None:
        settings = settings.model_copy(update={"api_port": port})
    return bring_up(settings, profile=profile, sample=sample, check=check, retrain=retrain)
