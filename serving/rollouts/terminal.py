"""A rollout in the terminal."""

from collections.abc import Iterable
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mediareview.console import duration
from serving.rollouts.evidence import CANARY, CONTROL, Calls, Group
from serving.rollouts.latency import quantile_s
from serving.rollouts.rollout import Rollout
from serving.rollouts.verdict import Finding
from serving.rollouts.view import View

BAR_CELLS = 20
LAST_CHANGES = 3
NARROW = 100
"""Columns below which a terminal is narrow."""

PHASES = {"starting": "cyan", "running": "green", "paused": "yellow", "promoted": "green", "rolled_back": "red"}
STATES = {
    "ok": "green",
    "waiting": "dim",
    "breach": "bold red",
    "win": "bold green",
    "loss": "bold red",
    "non_inferior": "green",
    "unknown": "yellow",
}


def show(console: Console, view: View) -> None:
    """Print a view.

    Args:
        console: where to; a file or a pipe gets long lines whole.
        view: what there is to see.
    """
    rollout = view.rollout
    if rollout is None:
        _show_service(console, view)
        return
    candidate, plan = rollout.candidate, rollout.plan
    _line(
        console,
        f"[bold]{escape(view.model)}[/bold]  version {escape(candidate.version)} against "
        f"{escape(rollout.stable_version)}, mode {plan.mode}, [{PHASES[rollout.phase]}]{words(rollout.phase)}"
        f"[/{PHASES[rollout.phase]}] since {_moment(rollout.changed_at)} ({_ago(view.at, rollout.changed_at)})",
    )
    _line(console, f"  traffic   {bar(rollout.traffic_percent)}  {_traffic(rollout)}")
    for label, text in _facts(view, rollout):
        _line(console, f"  {label:<9} {escape(text)}")
    for reason in view.unseen:
        _line(console, f"  [yellow]not seen[/yellow]  {escape(reason)}")
    _table(console, _variants(view, rollout))
    _show_findings(console, view)
    if view.changes:
        _table(console, _changes(view))


def show_verdict(console: Console, view: View, rollout: Rollout) -> None:
    """Print what the judge would do now, and on what it rests.

    Args:
        console: where to.
        view: what there is to see.
        rollout: of the view.
    """
    verdict = view.verdict
    told = f"[bold]{words(verdict.action)}[/bold]: {escape(verdict.reason)}" if verdict else "nothing: it cannot see"
    _line(console, f"[bold]{escape(view.model)}[/bold]  version {escape(rollout.candidate.version)}, {told}")
    if verdict and verdict.decision_in_s is not None:
        _line(console, f"  decision in about {duration(verdict.decision_in_s)} at the present pace")
    for reason in view.unseen:
        _line(console, f"  [yellow]not seen[/yellow]  {escape(reason)}")
    _table(console, _variants(view, rollout))
    _show_findings(console, view)


def words(name: str) -> str:
    """Return a phase, action or state as people write it."""
    return "no worse" if name == "non_inferior" else name.replace("_", " ")


def bar(percent: float, cells: int = BAR_CELLS) -> str:
    """Return a share as a bar: nothing only for 0 %, and full only for 100 %."""
    filled = round(percent / 100 * cells)
    if 0 < percent < 100:
        filled = min(max(filled, 1), cells - 1)
    return "█" * filled + "░" * (cells - filled)


def number(value: float | None, signed: bool = False) -> str:
    """Return a number with three digits, or a dash if there is none."""
    if value is None or value != value:
        return "–"
    return f"{value:+.3g}" if signed else f"{value:.3g}"


def effect(finding: Finding) -> str:
    """Return an effect with its interval."""
    if finding.effect is None:
        return "–"
    shown = number(finding.effect, signed=True)
    if finding.low is None or finding.high is None:
        return shown
    return f"{shown} [{number(finding.low, signed=True)}, {number(finding.high, signed=True)}]"


def _show_service(console: Console, view: View) -> None:
    served = ", ".join(f"version {item.version or '?'} ({item.name}, {item.traffic_percent} %)" for item in view.served)
    _line(console, f"[bold]{escape(view.model)}[/bold]  serves {escape(served)}; there never was a rollout")
    _line(
        console,
        f"  start one: mediareview rollout start {escape(view.model)} --version VERSION "
        f"(mediareview models list {escape(view.model)} shows the versions)",
    )


def _show_findings(console: Console, view: View) -> None:
    if view.verdict is None or not view.verdict.findings:
        return
    _table(console, _findings(view.verdict.findings, console.width < NARROW))
    console.print()
    for finding in view.verdict.findings:
        if finding.note:
            _line(console, f"[dim]{escape(finding.name)}:[/dim] {escape(finding.note)}")


def _traffic(rollout: Rollout) -> str:
    if rollout.phase == "starting":
        return "nothing yet: the candidate gets ready"
    if rollout.phase == "promoted":
        return f"all traffic has version {escape(rollout.candidate.version)}"
    if rollout.phase == "rolled_back":
        return f"all traffic has version {escape(rollout.stable_version)}"
    if rollout.plan.mode == "shadow":
        return f"no user; copies of {rollout.plan.traffic_percent} % of the requests"
    most = "" if rollout.plan.mode == "ab" else f", of at most {rollout.plan.max_percent} %"
    return f"{rollout.traffic_percent} % of the users{most}"


def _facts(view: View, rollout: Rollout) -> Iterable[tuple[str, str]]:
    verdict = view.verdict
    if rollout.reason:
        yield "because", rollout.reason
    if not rollout.active:
        return
    if view.next_step:
        percent, moment = view.next_step
        wait_s = (moment - view.at).total_seconds()
        yield "next step", f"to {percent} % {f'in {duration(wait_s)}' if wait_s > 0 else 'now'}, if all is well"
    if rollout.phase == "paused":
        yield "goes on", f"with mediareview rollout resume {rollout.model}"
    if verdict is not None:
        yield "judge", f"{words(verdict.action)}: {verdict.reason}"
    if verdict is not None and verdict.decision_in_s is not None:
        yield "decision", f"in about {duration(verdict.decision_in_s)} at the present pace"
    left_s = rollout.plan.deadline_s - (view.at - rollout.started_at).total_seconds()
    yield "deadline", f"in {duration(left_s)}" if left_s > 0 else f"passed {duration(-left_s)} ago"
    if rollout.pending:
        yield "audit log", f"{len(rollout.pending)} changes wait to be logged"


def _variants(view: View, rollout: Rollout) -> Table:
    evidence = view.evidence
    grid = _grid("Variants", ["variant", "version"], ["traffic", "enrolled", "calls", "failed", "p50 ms", "p95 ms"])
    rows: list[tuple[Group, str, str]] = [
        (CONTROL, rollout.stable_predictor, rollout.stable_version),
        (CANARY, rollout.candidate.predictor, rollout.candidate.version),
    ]
    for group, name, version in rows:
        share = rollout.traffic_percent if group == CANARY else 100 - rollout.traffic_percent
        calls = (evidence.calls or {}).get(group) if evidence else None
        grid.add_row(
            escape(name if name != version else f"{name} ({group})"),
            escape(version),
            f"{share} %",
            f"{evidence.enrolled.get(group, 0):,}" if evidence else "–",
            *_counted(calls),
        )
    return grid


def _counted(calls: Calls | None) -> tuple[str, str, str, str]:
    if calls is None:
        return "–", "–", "–", "–"
    quantiles = (quantile_s(calls, q) for q in (0.5, 0.95))
    p50, p95 = (number(value * 1000) if value is not None else "–" for value in quantiles)
    share = f" ({calls.failed / calls.total:.2%})" if calls.failed else ""
    return f"{calls.total:,}", f"{calls.failed:,}{share}", p50, p95


def _findings(findings: Iterable[Finding], narrow: bool) -> Table:
    """Return the checks; a narrow terminal does without their roles."""
    roles = [] if narrow else ["role"]
    grid = _grid("Checks", ["check", *roles], [], gap=1 if narrow else 2)
    grid.add_column("state", header_style="dim", no_wrap=True)
    for column in ("canary", "control", r"effect \[interval]", "units"):
        grid.add_column(column, header_style="dim", justify="right", no_wrap=True)
    for finding in findings:
        colour = STATES[finding.state]
        grid.add_row(
            escape(finding.name),
            *([] if narrow else [finding.role]),
            f"[{colour}]{words(finding.state)}[/{colour}]",
            number(finding.canary),
            number(finding.control),
            escape(effect(finding)),
            f"{finding.units[0]:,}/{finding.units[1]:,}" if any(finding.units) else "–",
        )
    return grid


def _changes(view: View) -> Table:
    grid = _grid("Last changes", ["when (UTC)", "who", "what"], ["traffic"], ["why"])
    for change in view.changes[-LAST_CHANGES:]:
        grid.add_row(
            f"{change.occurred_at:%m-%d %H:%M:%S}",
            escape(change.actor),
            words(change.action),
            f"{change.traffic_percent} %",
            escape(change.reason),
        )
    return grid


def _grid(title: str, left: list[str], right: list[str], wide: Iterable[str] = (), gap: int = 2) -> Table:
    grid = Table(
        title=title, title_justify="left", title_style="bold", box=None, padding=(0, gap, 0, 0), pad_edge=False
    )
    for column in left:
        grid.add_column(column, header_style="dim", overflow="fold")
    for column in right:
        grid.add_column(column, header_style="dim", justify="right", overflow="fold")
    for column in wide:
        grid.add_column(column, header_style="dim", overflow="fold")
    return grid


def _table(console: Console, grid: Table) -> None:
    console.print()
    console.print(grid, soft_wrap=False)


def _line(console: Console, markup: str) -> None:
    console.print(markup, soft_wrap=not console.is_terminal)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _ago(now: datetime, then: datetime) -> str:
    return duration(max((now - then).total_seconds(), 0.0))
