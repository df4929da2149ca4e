"""Commands that change a rollout. Heavy imports stay inside the functions."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from components.rollouts.planning import plan_of, plan_options

if TYPE_CHECKING:
    from serving.rollouts.operations import Rollouts
    from serving.rollouts.rollout import Rollout

reason_option = click.option("--reason", default="", metavar="TEXT", help="Why; kept in the audit log.")
actor_option = click.option("--actor", metavar="NAME", help="Who does it (default: USER@HOST).")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the rollout as JSON.")


@click.command()
@click.argument("name")
@click.option("--version", required=True, metavar="V", help="Version number or alias of the candidate.")
@plan_options
@click.option("--again", is_flag=True, help="Also if this version was rolled back before.")
@click.option(
    "--wait/--no-wait",
    default=True,
    show_default=True,
    help="Wait until the candidate answers and give it its first traffic, or leave that to `rollout run`.",
)
@reason_option
@actor_option
@json_option
def start(
    name: str, version: str, again: bool, wait: bool, reason: str, actor: str | None, as_json: bool, **options: Any
) -> None:  # fmt: skip
    """Put a VERSION of NAME beside what is served, and begin to compare the two."""
    from components.rollouts.candidates import enter_when_ready, find_candidate, refuse_if_nobody_serves
    from mediareview.console import step
    from mediareview.settings import get_settings

    plan = plan_of(name, options)
    settings, rollouts, who = get_settings(), _rollouts(), actor or _actor()
    candidate = find_candidate(name, version, settings)
    if wait:
        refuse_if_nobody_serves(name, settings)
    before = rollouts.current(name)
    rollout = rollouts.start(name, candidate, plan, who, reason, again=again)
    if wait and rollout.phase == "starting":
        with step(f"{name} version {candidate.version}: starting beside version {rollout.stable_version}"):
            rollout = enter_when_ready(
                rollouts, rollout, actor=who, timeout_s=plan.ready_timeout_s, say=lambda text: _say(f"  {text}")
            )
    _show(before, rollout, as_json)


@click.command()
@click.argument("name")
@reason_option
@actor_option
@json_option
def pause(name: str, reason: str, actor: str | None, as_json: bool) -> None:
    """Keep the traffic of NAME as it is until it is resumed."""
    _change(name, "pause", reason, actor, as_json)


@click.command()
@click.argument("name")
@reason_option
@actor_option
@json_option
def resume(name: str, reason: str, actor: str | None, as_json: bool) -> None:
    """Let the paused rollout of NAME go on."""
    _change(name, "resume", reason, actor, as_json)


@click.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Also what no user has seen: in shadow mode, or before its first traffic.")
@reason_option
@actor_option
@json_option
def promote(name: str, force: bool, reason: str, actor: str | None, as_json: bool) -> None:
    """Make the candidate of NAME what is served, whatever the evidence says."""
    _change(name, "promote", reason, actor, as_json, force=force)


@click.command()
@click.argument("name")
@reason_option
@actor_option
@json_option
def rollback(name: str, reason: str, actor: str | None, as_json: bool) -> None:
    """Take the candidate of NAME back."""
    _change(name, "roll_back", reason, actor, as_json)


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def history(name: str | None, as_json: bool) -> None:
    """Show what was changed about NAME, or about all models: when, by whom, and why."""
    import json

    from mediareview.console import output, table
    from mediareview.settings import get_settings
    from serving.objects import open_objects

    names = [name] if name else [item["metadata"]["name"] for item in open_objects(get_settings()).list()]
    rollouts = _rollouts()
    found = [change for each in names for change in rollouts.history(each)]
    found.sort(key=lambda change: change.occurred_at)
    if as_json:
        click.echo(json.dumps([change.model_dump(mode="json") for change in found], indent=2))
        return
    if not found:
        output.print(f"Nothing was rolled out yet{f' of {name}' if name else ''}.")
        return
    table(
        "History",
        ["when (UTC)", "model", "version", "action", "traffic", "by", "reason"],
        [
            (
                f"{change.occurred_at:%Y-%m-%d %H:%M:%S}",
                change.model,
                f"{change.stable_version} > {change.version}",
                change.action.replace("_", " "),
                f"{change.traffic_percent} %",
                change.actor,
                change.reason,
            )
            for change in found
        ],
    )


@click.command()
@click.argument("name")
@click.option("--variant", required=True, metavar="V", help="Name of a variant, or `stable` or `canary`.")
@click.option(
    "--hours",
    type=click.FloatRange(0, 720, min_open=True),
    default=8.0,
    show_default=True,
    help="How long it is good for.",
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def token(name: str, variant: str, hours: float, as_json: bool) -> None:
    """Make a token with which a tester chooses the variant of NAME that answers, by the header X-Variant."""
    import json

    from mediareview.console import console
    from mediareview.errors import MediaReviewError
    from mediareview.settings import get_settings
    from serving.experiments import variant_token
    from serving.objects import open_objects, variants

    settings = get_settings()
    names = [item.name for item in variants(open_objects(settings).get(name))]
    known = list(dict.fromkeys(["stable", "canary", *names]))
    if variant not in known:
        raise MediaReviewError(f"{name} has no variant {variant!r}.", f"Use one of: {', '.join(known)}.")
    made = variant_token(settings, name, variant, hours)
    if as_json:
        click.echo(json.dumps({"model": name, "variant": variant, "hours": hours, "header": f"X-Variant: {made}"}))
        return
    console.print(f"Send this header; it is good for {hours:g} hours. Its answers are not part of the comparison.")
    click.echo(f"X-Variant: {made}")


CHANGING: tuple[click.Command, ...] = (start, pause, resume, promote, rollback, history, token)


def _rollouts() -> "Rollouts":
    from mediareview.settings import get_settings
    from serving.rollouts.operations import Rollouts

    return Rollouts.from_settings(get_settings())


def _change(name: str, action: str, reason: str, actor: str | None, as_json: bool, **options: bool) -> None:
    """Take an action on a rollout, and tell how it stands."""
    rollouts = _rollouts()
    before = rollouts.current(name)
    take: Callable[..., Rollout] = getattr(rollouts, action)
    rollout = take(name, actor=actor or _actor(), reason=reason, **options)
    if not rollout.active:
        _settle(name)
    _show(before, rollout, as_json)


def _actor() -> str:
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as containers have
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _say(text: str) -> None:
    from mediareview.console import console

    console.print(text, markup=False)


def _settle(name: str) -> None:
    """Have the registry follow; the next training does it if the registry cannot be reached from here."""
    from components.registry import settle

    try:
        settle(name)
    except Exception as error:
        _say(f"The registry still has the champion it had: {error}. The next training pipeline corrects it.")


def _show(before: "Rollout | None", rollout: "Rollout", as_json: bool) -> None:
    from serving.rollouts.rules import told

    if as_json:
        click.echo(rollout.model_dump_json(indent=2))
    else:
        same = before is not None and (before.id, before.sequence) == (rollout.id, rollout.sequence)
        click.echo(f"{told(rollout)} already; nothing was changed." if same else f"{told(rollout)}.")
        if rollout.active:
            click.echo(f"Follow it with: mediareview rollout status {rollout.model}")
