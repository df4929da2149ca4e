"""The commands ``models`` and ``up``; ``pipeline`` comes from its own module. Heavy imports stay inside functions."""

import json
from pathlib import Path
from typing import Any

import click

from components.commands import reading_options
from pipelines.pipeline_commands import PROFILES, pipeline

__all__ = ["models", "pipeline", "up"]


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
    from pipelines.card import show_card

    show_card(name, version, as_json)


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
