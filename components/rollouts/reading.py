"""Commands that only look. Heavy imports stay inside the functions."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mediareview.settings import Settings
    from serving.rollouts.view import View

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")


@click.command()
@click.argument("name", required=False)
@as_json_option
def status(name: str | None, as_json: bool) -> None:
    """Show how the rollout of NAME stands, or those of all models."""
    import json

    from mediareview.console import output
    from mediareview.settings import get_settings
    from serving.rollouts.terminal import show
    from serving.rollouts.view import document

    views = _views(get_settings(), name)
    if as_json:
        documents = [document(view) for view in views]
        click.echo(json.dumps(documents[0] if name else documents, indent=2))
        return
    if not views:
        output.print("Nothing is served yet. mediareview up trains and serves three models.")
    for place, view in enumerate(views):
        if place:
            output.print()
        show(output, view)


@click.command()
@click.argument("name")
@as_json_option
def analyze(name: str, as_json: bool) -> None:
    """Say what would be done with the rollout of NAME now, and why; nothing is changed."""
    import json

    from mediareview.console import output
    from mediareview.errors import MediaReviewError
    from mediareview.settings import get_settings
    from serving.rollouts.terminal import show_verdict
    from serving.rollouts.view import document

    (view,) = _views(get_settings(), name)
    if view.rollout is None:
        raise MediaReviewError(
            f"{name} has no rollout to analyze.", f"Start one: mediareview rollout start {name} --version VERSION"
        )
    if as_json:
        click.echo(json.dumps(document(view), indent=2))
    else:
        show_verdict(output, view, view.rollout)


@click.command()
@click.argument("name")
@click.option(
    "--output",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="File to write (default: rollout-NAME.html).",
)
def report(name: str, path: Path | None) -> None:
    """Write the rollout of NAME as one HTML file with plots, for those who decide or look back."""
    from mediareview.console import console
    from mediareview.errors import MediaReviewError
    from mediareview.settings import get_settings
    from serving.rollouts.report import write_report

    settings = get_settings()
    (view,) = _views(settings, name)
    if view.rollout is None:
        raise MediaReviewError(
            f"{name} has no rollout to report on.", f"Start one: mediareview rollout start {name} --version VERSION"
        )
    written = write_report(view, view.rollout, settings, path or Path(f"rollout-{name}.html"))
    console.print(f"Written to [bold]{written}[/bold]: open it in a browser.")


@click.command()
@click.argument("name", type=click.Choice(["recommender"]))
@click.option("--version", required=True, help="Version number or alias of the candidate.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), default=None, help="Only the last so many days.")
@click.option(
    "--max-weight",
    type=click.FloatRange(min=1),
    default=None,
    help="Cut greater weights to this: less noise, but estimates become too small.",
)
@as_json_option
def estimate(name: str, version: str, days: float | None, max_weight: float | None, as_json: bool) -> None:
    """Estimate how often the recommender's VERSION would have been clicked, from answers logged with exploration."""
    import json

    from components.rollouts.estimating import estimate_candidate, show
    from mediareview.settings import get_settings

    found = estimate_candidate(get_settings(), name, version, days, max_weight)
    if as_json:
        click.echo(json.dumps(found.document(), indent=2))
    else:
        show(found)


def _views(settings: "Settings", name: str | None) -> "list[View]":
    """Return the view of a model, or of all that are served.

    Raises:
        MediaReviewError: the model is not served, or its rollout cannot be read.
    """
    from serving.objects import open_objects
    from serving.rollouts.audit import AuditLog
    from serving.rollouts.operations import Rollouts
    from serving.rollouts.sources import open_evidence
    from serving.rollouts.view import read_view

    objects = open_objects(settings)
    rollouts, source = Rollouts(objects, AuditLog.from_settings(settings)), open_evidence(settings, objects)
    names = [name] if name else [str(service["metadata"]["name"]) for service in objects.list()]
    return [read_view(each, objects, rollouts.history, source) for each in names]


READING: tuple[click.Command, ...] = (status, analyze, report, estimate)
