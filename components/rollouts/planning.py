"""From the options of ``rollout start`` to a plan. Heavy imports stay inside the functions."""

import re
from functools import reduce
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from serving.rollouts.plan import Plan

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

_OPTIONS = (
    click.option(
        "--mode",
        type=click.Choice(["canary", "ab", "shadow"]),
        default="canary",
        show_default=True,
        help="Raise traffic and promote what is no worse; keep it and promote what is better; or copy requests.",
    ),
    click.option(
        "--traffic",
        "traffic_percent",
        type=PERCENT,
        metavar="PERCENT",
        help="First share of the users, or of the requests copied (default: 10; 50 with --mode ab).",
    ),
    click.option("--step", "step_percent", type=PERCENT, metavar="PERCENT", help="How much a step adds (default: 10)."),
    click.option("--every", "every_s", type=DURATION, help="Least time between two steps (default: 10m)."),
    click.option(
        "--max",
        "max_percent",
        type=PERCENT,
        metavar="PERCENT",
        help="Greatest share before the candidate is promoted (default: 50).",
    ),
    click.option("--metric", help="What decides (default: the model's own)."),
    click.option(
        "--margin",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        help="What is lost less than this is no worse, in units of the metric (default: 0.02).",
    ),
    click.option(
        "--alpha",
        type=click.FloatRange(0, 0.5, min_open=True, max_open=True),
        help="Probability of a wrong decision (default: 0.05).",
    ),
    click.option(
        "--max-shift",
        type=click.FloatRange(0, 1, min_open=True),
        help="Pause a candidate that says something else this much more often (default: 0.2; 1: never).",
    ),
    click.option("--min-units", type=click.IntRange(min=10), help="Least units in each variant (default: 100)."),
    click.option("--max-units", type=click.IntRange(min=50), help="Known maximum of units, both variants together."),
    click.option(
        "--outcome-window",
        "outcome_window_s",
        type=DURATION,
        help="What counts is what happens this long after a unit is enrolled (default: 10m).",
    ),
    click.option("--deadline", "deadline_s", type=DURATION, help="Pause what is not decided by then (default: 7d)."),
)


def plan_options(command: Any) -> Any:
    """Add the options that make a plan, in the order in which the help lists them."""
    return reduce(lambda inner, option: option(inner), reversed(_OPTIONS), command)


def plan_of(name: str, options: dict[str, Any]) -> "Plan":
    """Return the plan that the options describe.

    Raises:
        MediaReviewError: they do not fit together, or the model has no such metric.
    """
    from pydantic import ValidationError

    from mediareview.errors import MediaReviewError
    from serving.rollouts.outcomes import METRICS
    from serving.rollouts.plan import Plan

    known = [metric.name for metric in METRICS.get(name, ()) if metric.higher_is_better is not None]
    if options["metric"] and known and options["metric"] not in known:
        raise MediaReviewError(
            f"{name} has no metric {options['metric']!r} that could decide.", f"Use {' or '.join(known)}."
        )
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
