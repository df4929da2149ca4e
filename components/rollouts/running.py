"""The command that lets rollouts go on by themselves. Heavy imports stay inside the functions."""

import click


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--once", is_flag=True, help="Look once, do what is to be done, and end.")
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Time between two looks (default: MEDIAREVIEW_ROLLOUT_INTERVAL_S, else 5).",
)
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Show /metrics and /healthz at this port.")
@click.option("--metrics-host", default="127.0.0.1", show_default=True, help="Address of --metrics-port.")
def run(names: tuple[str, ...], once: bool, every_s: float | None, metrics_port: int | None, metrics_host: str) -> None:
    """Let rollouts go on by themselves: step, promote and roll back as the evidence says.

    mediareview serve and mediareview up do so already. On a cluster this is what the rollout-controller runs.
    """
    import logging

    from mediareview.errors import MediaReviewError
    from mediareview.settings import get_settings
    from serving.rollouts.running import NAMES
    from serving.rollouts.running import run as run_controller

    unknown = set(names) - set(NAMES)
    if unknown:
        raise MediaReviewError(f"There is no model {sorted(unknown)[0]!r}.", f"Models: {', '.join(NAMES)}.")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    run_controller(
        get_settings(), names, once=once, every_s=every_s, metrics_host=metrics_host, metrics_port=metrics_port
    )


RUNNING: tuple[click.Command, ...] = (run,)
