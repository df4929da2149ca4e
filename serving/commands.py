"""The command ``serve``. Heavy imports stay inside the function."""

import click


@click.command()
@click.option("--host", default=None, help="Address to listen on (default: MEDIAREVIEW_API_HOST, else 127.0.0.1).")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=None,
    help="Port to listen on; 0 takes any free one (default: MEDIAREVIEW_API_PORT, else 8080).",
)
def serve(host: str | None, port: int | None) -> None:
    """Serve the models that are deployed: their predictors and the API, until Ctrl-C."""
    from mediareview.console import console, step
    from mediareview.settings import get_settings
    from serving.platform import rollouts_note, running, wait_for_stop

    chosen = {name: value for name, value in (("api_host", host), ("api_port", port)) if value is not None}
    settings = get_settings().model_copy(update=chosen)
    with step("Serving: predictors and the API", expected_s=15):
        platform = running(settings)
        url = platform.__enter__()
    try:
        console.print(f"[bold]The API is at {url}[/bold]; {url}/openapi.json describes it. Ctrl-C stops everything.")
        console.print(rollouts_note(settings))
        wait_for_stop()
        console.print("Draining ...")
    finally:
        platform.__exit__(None, None, None)
