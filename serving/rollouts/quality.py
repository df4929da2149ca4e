"""Quality: is a candidate's metric better, worse, or no worse than the stable version's?

The plan's ``alpha`` belongs to the metric that decides. All others are guardrails of their own, at a stricter level:
losing one of them is enough to take a candidate back, and gaining one promotes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from serving.rollouts.evidence import CANARY, CONTROL, Group, Outcomes
from serving.rollouts.plan import Plan
from serving.rollouts.verdict import Finding, Role, State
from serving.statistics import (
    Boundary,
    ConfidenceSequence,
    GroupSequential,
    Interval,
    compare,
    sample_ratio_p_value,
    units_in_step,
    units_needed,
)
from serving.statistics.difference import Array

GUARD_ALPHA = 0.01
"""Probability that a metric that does not decide takes back a candidate that does not harm it."""
RATIO_ALPHA = 0.001
"""Probability that a sample ratio is called wrong that is right."""


@dataclass(frozen=True)
class Sample:
    """Outcomes of both groups that are numbers, with their covariates."""

    canary: Array
    control: Array
    covariates: tuple[Array, Array] | None

    @classmethod
    def of(cls, outcomes: Outcomes) -> "Sample":
        """Take what is a number; an outcome that is none counts as missing."""
        canary, control = (_array(outcomes.values, group) for group in (CANARY, CONTROL))
        kept = np.isfinite(canary), np.isfinite(control)
        covariates = None
        if outcomes.covariates is not None:
            known = _array(outcomes.covariates, CANARY), _array(outcomes.covariates, CONTROL)
            covariates = known[0][kept[0]], known[1][kept[1]]
        return cls(canary[kept[0]], control[kept[1]], covariates)

    @property
    def units(self) -> tuple[int, int]:
        """Units of canary and control."""
        return len(self.canary), len(self.control)


def boundary_of(plan: Plan) -> Boundary:
    """Return when the deciding metric is looked at, and how wide its interval is then."""
    if plan.max_units is not None:
        return GroupSequential(plan.alpha, plan.first_look_units, plan.max_units)
    return ConfidenceSequence(plan.alpha, plan.first_look_units)


def decision(outcomes: Outcomes | None, metric: str, plan: Plan) -> tuple[Finding, Interval | None]:
    """Return what is found of the metric that decides, and its interval once there is one."""
    if outcomes is None:
        note = f"nothing is known of {metric or 'a metric that decides'} yet"
        return Finding(name=metric or "quality", role="decision", state="waiting", note=note), None
    sample = Sample.of(outcomes)
    interval = _compare(sample, outcomes, plan, boundary_of(plan))
    if interval is None:
        return _waiting(outcomes.metric, "decision", sample, boundary_of(plan)), None
    worst, worse = (
        (-interval.high, interval.ever_above)
        if outcomes.higher_is_better is False
        else (interval.low, interval.ever_below)
    )
    state: State
    if worse:
        state, note = "loss", "the candidate is worse"
    elif interval.drifts:
        state, note = "unknown", "the effect changes: what earlier and later looks say excludes each other"
    elif worst > 0:
        state, note = "win", "the candidate is better"
    elif worst > -plan.margin:
        state, note = "non_inferior", f"the candidate loses less than {plan.margin:g}"
    else:
        state, note = "waiting", f"a loss of {plan.margin:g} is not excluded yet"
    return _finding(outcomes.metric, "decision", state, interval, note), interval


def harm(outcomes: Outcomes, plan: Plan) -> Finding:
    """Return whether the candidate harms a metric that does not decide."""
    sample = Sample.of(outcomes)
    boundary = ConfidenceSequence(GUARD_ALPHA, plan.first_look_units)
    interval = _compare(sample, outcomes, plan, boundary)
    if interval is None:
        return _waiting(outcomes.metric, "guardrail", sample, boundary)
    harmed = interval.ever_below if outcomes.higher_is_better else interval.ever_above
    note = "the candidate is worse" if harmed else "no harm is proven"
    return _finding(outcomes.metric, "guardrail", "breach" if harmed else "ok", interval, note)


def shift(outcomes: Outcomes, plan: Plan) -> Finding:
    """Return whether the candidate's answers are of another kind than the stable version's, right or wrong."""
    sample = Sample.of(outcomes)
    boundary = ConfidenceSequence(GUARD_ALPHA, plan.first_look_units)
    interval = _compare(sample, outcomes, plan, boundary)
    if interval is None:
        return _waiting(outcomes.metric, "check", sample, boundary)
    far = min(abs(interval.low), abs(interval.high)) > plan.max_shift and interval.low * interval.high > 0
    note = f"the candidate differs by {'more' if far else 'no more, for all that is known,'} than {plan.max_shift:g}"
    return _finding(outcomes.metric, "check", "breach" if far else "ok", interval, note)


def ratio(name: str, units: tuple[int, int], plan: Plan) -> Finding:
    """Return whether units come to the groups in the proportion that was planned.

    If not, something is wrong with assignment or logging, or with who has an outcome: then the groups are no fair
    samples, and what they differ by is not the version's.

    Args:
        name: of the finding.
        units: of canary and control.
        plan: of the rollout.
    """
    share = plan.enrolled_share
    p_value = sample_ratio_p_value(units, (share, 1 - share))
    total = sum(units)
    return Finding(
        name=name,
        role="check",
        state="breach" if p_value <= RATIO_ALPHA else "ok",
        canary=units[0] / total if total else None,
        control=units[1] / total if total else None,
        units=units,
        note=f"{share:.0%} of the units should be the candidate's (p = {p_value:.2g})",
    )


def exhausted(outcomes: Outcomes | None, plan: Plan) -> bool:
    """Return whether there are as many units as the plan allows at most."""
    if outcomes is None or plan.max_units is None:
        return False
    return units_in_step(*Sample.of(outcomes).units, plan.enrolled_share) >= plan.max_units


def units_to_decision(interval: Interval, higher_is_better: bool | None, plan: Plan) -> int | None:
    """Return how many units there must be until the interval decides, if all goes on as it does; None if unknown."""
    gain = -interval.effect if higher_is_better is False else interval.effect
    distances = [abs(gain)] if plan.mode == "ab" else [gain + plan.margin, -gain]
    distance = max(distances)
    return units_needed(interval, boundary_of(plan), distance) if distance > 0 else None


def _compare(sample: Sample, outcomes: Outcomes, plan: Plan, boundary: Boundary) -> Interval | None:
    return compare(
        sample.canary,
        sample.control,
        plan.enrolled_share,
        boundary,
        span=outcomes.span,
        covariates=sample.covariates,
    )


def _array(values: "Mapping[Group, Array]", group: Group) -> Array:
    return np.asarray(values.get(group, ()), np.float64)


def _waiting(metric: str, role: Role, sample: Sample, boundary: Boundary) -> Finding:
    note = f"{sum(sample.units)} units have an outcome; the first look is after {boundary.ahead(0)[0]}"
    return Finding(name=metric, role=role, state="waiting", units=sample.units, note=note)


def _finding(metric: str, role: Role, state: State, interval: Interval, note: str) -> Finding:
    return Finding(
        name=metric,
        role=role,
        state=state,
        canary=interval.treatment_mean,
        control=interval.control_mean,
        effect=interval.effect,
        low=interval.low,
        high=interval.high,
        units=(interval.treatment_units, interval.control_units),
        note=note,
    )
