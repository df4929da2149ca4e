"""The command ``lake``. Heavy imports stay inside the functions."""

import json

import click


@click.group()
def lake() -> None:
    """Look after the place where the lake's tables are."""


@lake.command()
@click.option("--kms-key", default="", metavar="ID", help="Encrypt with this key instead of the store's own.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def secure(kms_key: str, as_json: bool) -> None:
    """Create the lake's bucket, encrypt it, keep versions, admit no public access; for an administrator."""
    from mediareview.console import table
    from mediareview.errors import MediaReviewError
    from mediareview.s3 import secure_bucket
    from mediareview.settings import get_settings

    settings = get_settings()
    if not settings.lake.startswith("s3://"):
        raise MediaReviewError(
            f"The lake is at {settings.lake}, which is no bucket.", "Set MEDIAREVIEW_LAKE_URL=s3://bucket/prefix."
        )
    found = secure_bucket(settings.lake, settings, kms_key)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        table(f"Bucket of {settings.lake}", ["protection", ""], found.items())
