"""The command ``features``. Heavy imports stay inside the functions."""

from typing import Any

import click


@click.group()
def features() -> None:
    """Keep the features that models read up to date with the lake."""


@features.command()
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def prepare(as_json: bool) -> None:
    """Make catalogue and features of the newest lake, and fill the online store; nothing new is nothing to do."""
    from components.preprocessing import prepare_features
    from mediareview.lake import Lake
    from mediareview.settings import get_settings

    settings = get_settings()
    summary = prepare_features(Lake.from_settings(settings), settings)
    if as_json:
        click.echo(summary.model_dump_json(indent=2))
    else:
        _table("Features", summary)


@features.command()
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
def status(as_json: bool) -> int:
    """Say whether the features are those of the newest lake; exit with 1 if they are not."""
    from components.preprocessing import feature_status
    from feature_repo.online import describe
    from mediareview.console import output
    from mediareview.lake import Lake
    from mediareview.settings import get_settings

    settings = get_settings()
    found = feature_status(Lake.from_settings(settings), settings)
    if as_json:
        click.echo(found.model_dump_json(indent=2))
    else:
        if found.prepared:
            _table("Features", found.prepared)
        registry = settings.feature_registry_url or settings.feature_registry_file
        output.print(f"online store {describe(settings)}, registry {registry}", markup=False)
        news = f"Outdated: {found.outdated}. Bring them up to date: mediareview features prepare"
        output.print(news if found.outdated else "Up to date.", markup=False)
    return 1 if found.outdated else 0


def _table(title: str, summary: Any) -> None:
    from mediareview.console import table

    read = [(name, version, "", "read") for name, version in summary.pins.items()]
    written = [(name, version, summary.rows[name], "written") for name, version in summary.versions.items()]
    table(title, ["table", "version", "rows", ""], [*read, *written])
