"""A rollout as one HTML file that needs nothing else: no script, no request, readable in the dark and on paper."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mediareview.console import duration
from mediareview.contracts import RolloutChange
from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.rollouts.evidence import CANARY, CONTROL, Calls, Group
from serving.rollouts.latency import quantile_s
from serving.rollouts.outcomes import deciding_metric
from serving.rollouts.rollout import Rollout
from serving.rollouts.sources.events import RolloutEvents
from serving.rollouts.terminal import effect, number, words
from serving.rollouts.verdict import Finding
from serving.rollouts.view import View


def write_report(view: View, rollout: Rollout, settings: Settings, path: Path) -> Path:
    """Write the report of a rollout, under way or ended.

    Args:
        view: what there is to see.
        rollout: of the view.
        settings: where the event stream and the lake are.
        path: the HTML file; it is replaced if it is there.

    Returns:
        The path.

    Raises:
        MediaReviewError: the events cannot be read, or the file cannot be written.
    """
    events = RolloutEvents(settings, rollout)
    events.read(view.at)
    content = html(view, rollout, events.enrolled_at)
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise MediaReviewError(f"{path} cannot be written: {error.strerror}", "Give another --output.") from None
    return path


def html(view: View, rollout: Rollout, enrolled: Mapping[Group, list[datetime]]) -> str:
    """Return the report.

    Args:
        view: what there is to see.
        rollout: of the view.
        enrolled: when units were enrolled, by group, in order.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from serving.rollouts import plots

    evidence, verdict = view.evidence, view.verdict
    metric = deciding_metric(rollout.model, rollout.plan)
    outcomes = evidence.outcomes.get(metric) if evidence else None
    until = view.at if rollout.active else rollout.changed_at
    drawn = {
        "traffic": plots.traffic(view.changes, until) if view.changes else None,
        "effect": plots.effect(outcomes, rollout.plan) if outcomes else None,
        "latency": plots.latency(evidence.calls) if evidence and evidence.calls else None,
        "enrolment": plots.enrolment(enrolled, rollout.plan.enrolled_share),
    }
    environment = Environment(
        loader=PackageLoader("serving.rollouts"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(words=words, number=number, duration=duration, effect=effect)
    return environment.get_template("report.html").render(
        view=view,
        rollout=rollout,
        plan=_plan(rollout, metric),
        summary=list(summary(view, rollout)),
        verdict=verdict,
        # The plots are made here, of numbers and of names that Matplotlib escaped.
        plots={name: Markup(svg) if svg else None for name, svg in drawn.items()},  # noqa: S704
        variants=_variants(view, rollout),
        history=[(change, list(told(change))) for change in view.changes],
        metric=metric,
        expected_share=rollout.plan.enrolled_share,
        enrolled={group: len(found) for group, found in enrolled.items()},
    )


def summary(view: View, rollout: Rollout) -> Iterator[str]:
    """Yield what somebody in a hurry has to know, sentence by sentence."""
    new, old = f"version {rollout.candidate.version}", f"version {rollout.stable_version}"
    so_far = duration((view.at - rollout.started_at).total_seconds())
    took = duration((rollout.changed_at - rollout.started_at).total_seconds())
    match rollout.phase:
        case "starting":
            yield f"{new} is being started beside {old}; no user has seen it yet."
        case "running" if rollout.plan.mode == "shadow":
            yield f"{new} gets copies of {rollout.plan.traffic_percent} % of the requests; {old} answers all of them."
        case "running":
            yield (
                f"{new} answers {rollout.traffic_percent} % of the users and {old} the others; the rollout began "
                f"{so_far} ago."
            )
        case "paused":
            yield f"The rollout of {new} is paused at {rollout.traffic_percent} %, and waits for a person."
        case "promoted":
            yield f"{new} was promoted after {took} and has taken the place of {old}."
        case "rolled_back":
            yield f"{new} was taken back after {took}; {old} answers everybody."
    if rollout.reason:
        yield f"The reason of the last change: {rollout.reason.rstrip('.')}."
    for finding in view.verdict.findings if view.verdict else ():
        if finding.role == "decision":
            yield _decision(finding)
    if view.verdict and rollout.active:
        yield f"What is to be done now: {words(view.verdict.action)}; {view.verdict.reason.rstrip('.')}."
        if view.verdict.decision_in_s is not None:
            yield f"A decision can be expected in about {duration(view.verdict.decision_in_s)}."


def told(change: RolloutChange) -> Iterator[str]:
    """Yield the evidence of a change, line by line."""
    try:
        evidence = json.loads(change.evidence) if change.evidence else {}
    except ValueError:
        yield change.evidence
        return
    if not isinstance(evidence, dict):
        yield change.evidence
        return
    for key, value in evidence.items():
        if key == "verdict" and isinstance(value, dict):
            yield from map(_told_finding, value.get("findings") or ())
        elif value not in (None, "", [], {}):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{words(key)}: {text}"


def _told_finding(value: Any) -> str:
    try:
        finding = Finding.model_validate(value)
    except ValueError:
        return json.dumps(value, ensure_ascii=False)
    shown = f" {effect(finding)}" if finding.effect is not None else ""
    units = f", {finding.units[0]:,} against {finding.units[1]:,}" if any(finding.units) else ""
    note = f"; {finding.note}" if finding.note else ""
    return f"{finding.name}: {words(finding.state)}{shown}{units}{note}"


def _decision(finding: Finding) -> str:
    if finding.effect is None:
        return f"{finding.name}, which decides, cannot be compared yet: {finding.note}."
    return (
        f"{finding.name}, which decides, is {number(finding.canary)} with the new version and "
        f"{number(finding.control)} with the old one, over {finding.units[0]:,} and {finding.units[1]:,} units: "
        f"a difference of {effect(finding)}; {finding.note}."
    )


def _variants(view: View, rollout: Rollout) -> list[dict[str, Any]]:
    """Return a row for each variant."""
    evidence = view.evidence
    rows: list[dict[str, Any]] = []
    groups: list[tuple[Group, str, str]] = [
        (CANARY, rollout.candidate.predictor, rollout.candidate.version),
        (CONTROL, rollout.stable_predictor, rollout.stable_version),
    ]
    for group, name, version in groups:
        calls: Calls | None = (evidence.calls or {}).get(group) if evidence else None
        rows.append(
            {
                "group": group,
                "name": name,
                "version": version,
                "traffic": rollout.traffic_percent if group == CANARY else 100 - rollout.traffic_percent,
                "enrolled": evidence.enrolled.get(group) if evidence else None,
                "calls": calls,
                "p50": quantile_s(calls, 0.5) if calls else None,
                "p95": quantile_s(calls, 0.95) if calls else None,
            }
        )
    return rows


def _plan(rollout: Rollout, metric: str) -> list[tuple[str, str]]:
    """Return the plan in words."""
    plan = rollout.plan
    rows: list[tuple[str, str]] = [("mode", plan.mode)]
    if plan.mode == "canary":
        steps = f"from {plan.traffic_percent} % by {plan.step_percent} % to {plan.max_percent} %"
        rows.append(("traffic", f"{steps}, at least {duration(plan.every_s)} apart"))
    else:
        rows.append(("traffic", f"{plan.traffic_percent} %{' of the requests, copied' * (plan.mode == 'shadow')}"))
    rows += [
        ("decides", metric or "–"),
        ("no worse means", f"a loss below {plan.margin:g} is proven"),
        ("probability of a wrong decision", f"at most {plan.alpha:g}, however often one looks"),
        ("least units with an outcome", f"{plan.min_units:,} of each variant"),
        ("most units", f"{plan.max_units:,}" if plan.max_units else "no limit"),
        ("outcome of a unit", f"what happens within {duration(plan.outcome_window_s)} after it was enrolled"),
        ("deadline", duration(plan.deadline_s)),
        ("the candidate may take to be ready", duration(plan.ready_timeout_s)),
    ]
    return rows
