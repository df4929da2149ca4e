"""Plots of a rollout as SVG that goes inline into HTML: its text and colours are those of the page."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from serving.rollouts.evidence import CANARY, CONTROL, Calls, Group, Outcomes
from serving.rollouts.latency import quantile_s
from serving.rollouts.plan import Plan
from serving.rollouts.quality import Sample, boundary_of
from serving.statistics import difference_path, intervals
from serving.statistics.difference import units_in_step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mediareview.contracts import RolloutChange

SIZE_IN = (7.2, 2.7)
MOST_POINTS = 300
"""Of a line; more cannot be seen and make the file large."""

# Stand-ins that Matplotlib draws with, and what the page's style makes of them, light or dark.
_COLOURS = {
    "#010101": "currentColor",
    "#020202": "var(--canary)",
    "#030303": "var(--control)",
    "#040404": "var(--faint)",
    "#050505": "var(--bad)",
}
INK, CANARY_COLOUR, CONTROL_COLOUR, FAINT, BAD = _COLOURS
_STYLE: Mapping[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def traffic(changes: "Sequence[RolloutChange]", until: datetime) -> str:
    """Return the candidate's share of the traffic over time, with each change numbered as in the history.

    Args:
        changes: of the rollout, oldest first; at least one.
        until: where the time ends.
    """
    with _drawn("traffic") as (axes, drawn):
        moments = _days([change.occurred_at for change in changes])
        shares = [change.traffic_percent for change in changes]
        end = max(*_days([until]), moments[-1])
        axes.step([*moments, end], [*shares, shares[-1]], where="post", color=CANARY_COLOUR, linewidth=2)
        axes.fill_between([*moments, end], [*shares, shares[-1]], step="post", color=CANARY_COLOUR, alpha=0.15)
        for place, change in enumerate(changes):
            bad = change.action in ("pause", "roll_back")
            axes.plot([moments[place]], [shares[place]], "s" if bad else "o", color=BAD if bad else INK, ms=5)
            # The first stands to the left: its line goes up to the right.
            offset = (4, 5) if place else (-9, 4)
            axes.annotate(
                str(change.sequence), (moments[place], shares[place]), textcoords="offset points", xytext=offset
            )
        axes.set_ylim(-4, 112)
        axes.set_ylabel("candidate's traffic, %")
        _time_axis(axes)
    return drawn[0]


def effect(outcomes: Outcomes, plan: Plan) -> str | None:
    """Return the effect on the deciding metric with its confidence sequence, over the number of units.

    Returns:
        None before the first look.
    """
    import numpy as np

    sample, boundary, share = Sample.of(outcomes), boundary_of(plan), plan.enrolled_share
    looks = boundary.looks(units_in_step(*sample.units, share))
    if not len(looks):
        return None
    if len(looks) > MOST_POINTS:
        looks = looks[np.unique(np.linspace(0, len(looks) - 1, MOST_POINTS).round().astype(int))]
    path = difference_path(
        sample.canary, sample.control, looks, share, span=outcomes.span, covariates=sample.covariates
    )
    low, high = intervals(path, boundary.critical(looks))
    with _drawn("effect") as (axes, drawn):
        few = "o" if len(looks) < 10 else None
        axes.fill_between(looks, low, high, color=CANARY_COLOUR, alpha=0.2, linewidth=0, label="interval at that look")
        axes.plot(looks, path.effect, color=CANARY_COLOUR, linewidth=2, marker=few, label="effect")
        axes.plot(looks, np.maximum.accumulate(low), color=INK, linewidth=1, label="closest bounds so far")
        axes.plot(looks, np.minimum.accumulate(high), color=INK, linewidth=1)
        axes.axhline(0, color=INK, linewidth=1, linestyle=":")
        axes.axhline(
            -plan.margin if outcomes.higher_is_better else plan.margin,
            color=BAD,
            linewidth=1.2,
            linestyle="--",
            label=f"a loss of {plan.margin:g}",
        )
        # The first looks are wide; what matters is where the bounds are now.
        reach = 4 * max(float((high - low)[-1]) / 2, plan.margin)
        middle = float(path.effect[-1])
        axes.set_ylim(max(float(low.min()), middle - reach), min(float(high.max()), middle + reach))
        axes.set_xlabel("units with an outcome, both groups")
        axes.set_ylabel(f"{outcomes.metric}: canary − control")
        axes.legend(loc="upper right", ncols=2, fontsize=8)
    return drawn[0]


def latency(calls: Mapping[Group, Calls]) -> str | None:
    """Return the share of calls answered within a time, for both groups.

    Returns:
        None if no answered call was counted.
    """
    shown = {group: item for group, item in calls.items() if item.answered and item.latency}
    if not shown:
        return None
    with _drawn("latency") as (axes, drawn):
        bounds: list[float] = []
        for group, item in sorted(shown.items()):
            known = [(bound * 1000, min(100 * count / item.answered, 100.0)) for bound, count in item.latency.items()]
            times_ms, shares = zip(*sorted(known), strict=True)
            colour, style = (CANARY_COLOUR, "-") if group == CANARY else (CONTROL_COLOUR, "--")
            axes.plot(times_ms, shares, color=colour, linestyle=style, marker=".", linewidth=1.8, label=group)
            p95 = quantile_s(item, 0.95)
            if p95:
                axes.plot([p95 * 1000], [95], marker="D", color=colour, markersize=6, linestyle="none")
            # There is nothing to see below the last bound that holds nearly none, nor beyond the first that holds all.
            bounds.append(max((ms for ms, held in known if held < 0.1), default=times_ms[0]))
            bounds.append(min((ms for ms, held in known if held >= 99.9), default=times_ms[-1]))
        axes.axhline(95, color=INK, linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        axes.set_xlim(min(bounds) * 0.9, max(bounds) * 1.2)
        axes.set_ylim(0, 103)
        axes.set_xlabel("milliseconds, logarithmic; diamonds: 95 % of the calls")
        axes.set_ylabel("calls answered, %")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _: "")
        axes.legend(loc="lower right")
    return drawn[0]


def enrolment(moments: Mapping[Group, Sequence[datetime]], share: float) -> str | None:
    """Return the enrolled units over time, with what is expected of the canary's, given their sum.

    Args:
        moments: when units were enrolled, by group, in order.
        share: of the canary among the enrolled, 0 to 1.

    Returns:
        None if nobody was enrolled.
    """
    import numpy as np

    arrivals = sorted((moment, group) for group, found in moments.items() for moment in found)
    if not arrivals:
        return None
    times = [moment for moment, _ in arrivals]
    canary = np.cumsum([group == CANARY for _, group in arrivals])
    total = np.arange(1, len(arrivals) + 1)
    deviation = 2.576 * np.sqrt(total * share * (1 - share))
    kept = np.unique(np.linspace(0, len(times) - 1, MOST_POINTS).round().astype(int))
    days = _days([times[place] for place in kept])
    with _drawn("enrolment") as (axes, drawn):
        low, high = (total * share - deviation).clip(0), total * share + deviation
        axes.fill_between(
            days,
            low[kept],
            high[kept],
            color=INK,
            alpha=0.15,
            linewidth=0,
            step="post",
            label="canary, expected (99 %)",
        )
        axes.step(days, canary[kept], where="post", color=CANARY_COLOUR, linewidth=2, label=CANARY)
        axes.step(
            days, (total - canary)[kept], where="post", color=CONTROL_COLOUR, linewidth=1.8, linestyle="--",
            label=CONTROL,
        )  # fmt: skip
        axes.set_ylim(bottom=0)
        axes.set_ylabel("units enrolled")
        axes.legend(loc="upper left")
        _time_axis(axes)
    return drawn[0]


def _days(moments: Sequence[datetime]) -> list[float]:
    """Return moments as Matplotlib counts time, in days."""
    from matplotlib.dates import date2num

    return [float(date2num(moment)) for moment in moments]  # type: ignore[no-untyped-call]


def _time_axis(axes: "Axes") -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set_xlabel("UTC")


@contextmanager
def _drawn(name: str) -> "Iterator[tuple[Axes, list[str]]]":
    """Yield axes to draw on, and a list that gets the SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    drawn: list[str] = []
    style: Any = {**_STYLE, "svg.hashsalt": name}
    with mpl.rc_context(style):
        figure = Figure(figsize=SIZE_IN, layout="constrained")
        axes = figure.add_subplot()
        yield axes, drawn
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    drawn.append(_inline(buffer.getvalue(), name))


def _inline(svg: str, name: str) -> str:
    """Return an SVG file as an element of a page that holds several."""
    svg = svg[svg.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{name}"', 1)
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px sans-serif", svg)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r'(?:width|height)="[\d.]+pt" ', "", svg, count=2)
    svg = re.sub(r'((?:id|href)="#?|url\(#)', rf"\1{name}-", svg)
    for stand_in, colour in _COLOURS.items():
        svg = svg.replace(stand_in, colour)
    return svg.strip()
