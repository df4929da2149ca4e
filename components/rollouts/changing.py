"""Commands that change a rollout. Heavy imports stay inside the functions."""

import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from serving.rollouts.operations import Rollouts
    from serving.rollouts.plan import Plan
    from serving.rollouts.rollout import Rollout

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Duration(click.ParamType[float, str | float]):
    """A duration like ``90s``, ``10m``, ``2h`` or ``7d``, as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, int | float):
            return float(value)
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", str(value).strip().lower())
        if found is None or float(found[1]) == 0:
            self.fail(
                f"{value!r} is no duration: give a number and a unit, for example 90s, 10m, 2h or 7d.", param, ctx
            )
        return float(found[1]) * _UNITS_S[found[2]]


DURATION = Duration()
PERCENT = click.IntRange(1, 99)
reason_option = click.option("--reason", default="", metavar="TEXT", help="Why; kept in the audit log.")
actor_option = click.option("--actor", metavar="NAME", help="Who does it (default: USER@HOST).")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the rollout as JSON.")


@click.command()
@click.argument("name")
@click.option("--version", required=True, metavar="V", help="Version number or alias of the candidate.")
@click.option(
    "--mode",
    type=click.Choice(["canary", "ab", "shadow"]),
    default="canary",
    show_default=True,
    help="Raise traffic and promote what is no worse; keep it and promote what is better; or copy requests.",
)
@click.option(
    "--traffic",
    "traffic_percent",
    type=PERCENT,
    metavar="PERCENT",
    help="First share of the users, or of the requests copied (default: 10; 50 with --mode ab).",
)
@click.option("--step", "step_percent", type=PERCENT, metavar="PERCENT", help="How much a step adds (default: 10).")
@click.option("--every", "every_s", type=DURATION, help="Least time between two steps (default: 10m).")
@click.option(
    "--max",
    "max_percent",
    type=PERCENT,
    metavar="PERCENT",
    help="Greatest share before the candidate is promoted (default: 50).",
)
@click.option("--metric", help="What decides (default: the model's own).")
@click.option(
    "--margin",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="What is lost less than this is no worse, in units of the metric (default: 0.02).",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 0.5, min_open=True, max_open=True),
    help="Probability of a wrong decision (default: 0.05).",
)
@click.option("--min-units", type=click.IntRange(min=10), help="Least units in each variant (default: 100).")
@click.option("--max-units", type=click.IntRange(min=50), help="Known maximum of units, both variants together.")
@click.option(
    "--outcome-window",
    "outcome_window_s",
    type=DURATION,
    help="What counts is what happens this long after a unit is enrolled (default: 10m).",
)
@click.option("--deadline", "deadline_s", type=DURATION, help="Pause what is not decided by then (default: 7d).")
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

    plan = _plan(name, options)
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
    rollouts = _rollouts()
    before = rollouts.current(name)
    _show(before, rollouts.pause(name, actor=actor or _actor(), reason=reason), as_json)


@click.command()
@click.argument("name")
@reason_option
@actor_option
@json_option
def resume(name: str, reason: str, actor: str | None, as_json: bool) -> None:
    """Let the paused rollout of NAME go on."""
    rollouts = _rollouts()
    before = rollouts.current(name)
    _show(before, rollouts.resume(name, actor=actor or _actor(), reason=reason), as_json)


@click.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Also what no user has seen: in shadow mode, or before its first traffic.")
@reason_option
@actor_option
@json_option
def promote(name: str, force: bool, reason: str, actor: str | None, as_json: bool) -> None:
    """Make the candidate of NAME what is served, whatever the evidence says."""
    rollouts = _rollouts()
    before = rollouts.current(name)
    rollout = rollouts.promote(name, actor=actor or _actor(), reason=reason, force=force)
    _settle(name)
    _show(before, rollout, as_json)


@click.command()
@click.argument("name")
@reason_option
@actor_option
@json_option
def rollback(name: str, reason: str, actor: str | None, as_json: bool) -> None:
    """Take the candidate of NAME back."""
    rollouts = _rollouts()
    before = rollouts.current(name)
    rollout = rollouts.roll_back(name, actor=actor or _actor(), reason=reason)
    _settle(name)
    _show(before, rollout, as_json)


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


def _plan(name: str, options: dict[str, Any]) -> "Plan":
    """Return the plan that the options describe.

    Raises:
        MediaReviewError: they do not fit together, or the model has no such metric.
    """
    from pydantic import ValidationError

    from mediareview.errors import MediaReviewError
    from serving.rollouts.outcomes import METRICS
    from serving.rollouts.plan import Plan

    known = [metric.name for metric in METRICS.get(name, ())]
    if options["metric"] and known and options["metric"] not in known:
        raise MediaReviewError(f"{name} has no metric {options['metric']!r}.", f"Use {' or '.join(known)}.")
    given = {key: value for key, value in options.items() if value is not None}
    if given["mode"] == "ab":
        given.setdefault("traffic_percent", 50)
    # A first share above the usual maximum needs no second option.
    given.setdefault("max_percent", max(50, given.get("traffic_percent", 0)))
    try:
        return Plan(**given)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise MediaReviewError(f"This cannot be planned: {message}.", "mediareview rollout start --help") from None


def _rollouts() -> "Rollouts":
    from mediareview.settings import get_settings
    from serving.rollouts.operations import Rollouts

    return Rollouts.from_settings(get_settings())


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
    if rollout.pending:
        _say(
            f"The audit log cannot be written; {len(rollout.pending)} changes wait for it in the InferenceService, and "
            "whoever comes next logs them."
        )
