"""The judge: says what to do with a rollout from what is known of it. A pure function, whoever asks and how often.

Its rules are tried in order, and the first that applies speaks. What makes things safer comes first, and needs neither
a clock nor that everything can be seen; what gives the candidate more comes last, and needs all of it.
"""

from dataclasses import dataclass
from functools import cached_property
from math import ceil

from mediareview.console import duration
from serving.rollouts.evidence import CANARY, CONTROL, Evidence, Outcomes
from serving.rollouts.guardrails import call_guardrails, readiness
from serving.rollouts.outcomes import deciding_metric
from serving.rollouts.quality import Sample, decision, exhausted, harm, ratio, shift, units_to_decision
from serving.rollouts.rollout import Rollout
from serving.rollouts.verdict import Action, Finding, Verdict
from serving.statistics import Interval

SHADOW_COMPARISONS = 10
"""Copies of requests that a candidate in shadow mode is to answer, in times the plan's least units."""

Ruling = tuple[Action, str]
"""What to do, and why."""


def judge(rollout: Rollout, evidence: Evidence) -> Verdict:
    """Return what to do with a rollout now; it depends on nothing but the arguments."""
    case = _Case(rollout, evidence)
    action, reason = next(ruling for rule in _RULES if (ruling := rule(case)) is not None)
    expected_s = case.decision_in_s if action in ("hold", "step") and rollout.phase == "running" else None
    return Verdict(action=action, reason=reason, findings=case.findings, decision_in_s=expected_s)


@dataclass(frozen=True)
class _Case:
    """A rollout, what is known of it, and what each check finds; each is made once."""

    rollout: Rollout
    evidence: Evidence

    @cached_property
    def guardrails(self) -> tuple[Finding, ...]:
        calls = call_guardrails(self.rollout, self.evidence)
        # A candidate that was taken back, or took over, is no longer there as such.
        return (readiness(self.rollout, self.evidence), *calls) if self.rollout.active else calls

    @cached_property
    def sample_ratio(self) -> Finding:
        enrolled = self.evidence.enrolled
        return ratio("sample ratio", (enrolled.get(CANARY, 0), enrolled.get(CONTROL, 0)), self.rollout.plan)

    @cached_property
    def metric(self) -> str:
        return deciding_metric(self.rollout.model, self.rollout.plan)

    @cached_property
    def outcomes(self) -> Outcomes | None:
        return self.evidence.outcomes.get(self.metric)

    @cached_property
    def outcome_ratio(self) -> Finding:
        units = Sample.of(self.outcomes).units if self.outcomes is not None else (0, 0)
        return ratio(f"units with {self.metric or 'an outcome'}", units, self.rollout.plan)

    @cached_property
    def _decision(self) -> tuple[Finding, Interval | None]:
        return decision(self.outcomes, self.metric, self.rollout.plan)

    @property
    def quality(self) -> Finding:
        return self._decision[0]

    @cached_property
    def harms(self) -> tuple[Finding, ...]:
        return tuple(
            harm(outcomes, self.rollout.plan) for outcomes in self._others if outcomes.higher_is_better is not None
        )

    @cached_property
    def shifts(self) -> tuple[Finding, ...]:
        """How much what the candidate says differs, whether or not anybody says what is right."""
        return tuple(
            shift(outcomes, self.rollout.plan) for outcomes in self._others if outcomes.higher_is_better is None
        )

    @property
    def _others(self) -> list[Outcomes]:
        return [outcomes for name, outcomes in self.evidence.outcomes.items() if name != self.metric]

    @cached_property
    def likeness(self) -> Finding:
        """How much the candidate says the same as the stable version, in shadow mode."""
        agreements = self.evidence.agreements
        compared = 0 if agreements is None else len(agreements)
        wanted = self.rollout.plan.max_units or SHADOW_COMPARISONS * self.rollout.plan.min_units
        return Finding(
            name="answers alike",
            role="information",
            state="ok" if compared >= wanted else "waiting",
            canary=float(agreements.mean()) if agreements is not None and compared else None,
            units=(compared, compared),
            note=f"{compared} copies of requests compared, of {wanted} that are wanted",
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        if self.rollout.plan.mode == "shadow":
            return (*self.guardrails, self.likeness)
        return (*self.guardrails, self.sample_ratio, self.outcome_ratio, self.quality, *self.harms, *self.shifts)

    @cached_property
    def blindness(self) -> tuple[str, ...]:
        """Why not everything can be seen."""
        unknown = tuple(finding.note for finding in self.guardrails if finding.state == "unknown")
        return self.evidence.blind or tuple(dict.fromkeys(unknown))

    @property
    def unchanged_s(self) -> float:
        """Time since phase or traffic changed last; negative if the clock was set back."""
        return (self.evidence.at - self.rollout.changed_at).total_seconds()

    @property
    def running_s(self) -> float:
        return (self.evidence.at - self.rollout.started_at).total_seconds()

    @property
    def settled(self) -> bool:
        """Whether traffic is where the plan wants it, for as long as a step takes."""
        plan, share = self.rollout.plan, self.rollout.traffic_percent
        return plan.mode == "ab" or (share >= plan.max_percent and self.unchanged_s >= plan.every_s)

    @property
    def proven(self) -> bool:
        """Whether quality allows promotion."""
        state = self.quality.state
        return state == "win" or (state == "non_inferior" and self.rollout.plan.mode == "canary")

    @property
    def obstacles(self) -> list[str]:
        """What must be better before the candidate gets more of anything."""
        return [f"{finding.name}: {finding.note}" for finding in self.guardrails if finding.state != "ok"]

    @cached_property
    def decision_in_s(self) -> float | None:
        """Time until there is a decision if all goes on as it does; None if that cannot be told."""
        plan, interval = self.rollout.plan, self._decision[1]
        if plan.mode == "shadow" or interval is None or self.outcomes is None:
            return None
        quality_s = 0.0
        if not self.proven:
            needed = units_to_decision(interval, self.outcomes.higher_is_better, plan)
            measured_s = self.running_s - plan.outcome_window_s
            if needed is None or measured_s <= 0:
                return None
            quality_s = (needed - interval.units) * measured_s / sum(Sample.of(self.outcomes).units)
        if plan.mode == "ab":
            return quality_s
        steps = ceil(max(0, plan.max_percent - self.rollout.traffic_percent) / plan.step_percent)
        return max(quality_s, (steps + 1) * plan.every_s - self.unchanged_s, 0.0)


def _without_users(case: _Case) -> Ruling | None:
    phase = case.rollout.phase
    return None if phase in ("running", "paused") else ("hold", f"the rollout is {phase.replace('_', ' ')}")


def _guardrail(case: _Case) -> Ruling | None:
    return _of_first(case.guardrails, "roll_back")


def _sample_ratio(case: _Case) -> Ruling | None:
    if case.rollout.plan.mode == "shadow":
        return None
    # Of groups that are no fair samples nothing is concluded, not even a loss.
    return (
        _paused(case)
        if case.sample_ratio.state == "breach" and case.rollout.phase == "paused"
        else _of_first((case.sample_ratio,), "pause")
    )


def _loss(case: _Case) -> Ruling | None:
    if case.rollout.plan.mode == "shadow":
        return None
    if case.quality.state == "loss":
        return "roll_back", f"{case.quality.name}: {_in_numbers(case.quality)}"
    return _of_first(case.harms, "roll_back")


def _paused(case: _Case) -> Ruling | None:
    return ("hold", "the rollout is paused") if case.rollout.phase == "paused" else None


def _shift(case: _Case) -> Ruling | None:
    if case.rollout.plan.mode == "shadow":
        return None
    return _of_first(case.shifts, "pause")


def _clock(case: _Case) -> Ruling | None:
    if case.unchanged_s >= 0:
        return None
    return "hold", f"the clock is {duration(-case.unchanged_s)} behind the rollout's last change"


def _deadline(case: _Case) -> Ruling | None:
    plan = case.rollout.plan
    if case.running_s <= plan.deadline_s:
        return None
    missing = [*case.blindness, *case.obstacles, *_waits_for(case)]
    return "pause", f"not decided within {duration(plan.deadline_s)}: {'; '.join(missing)}"


def _blind(case: _Case) -> Ruling | None:
    return ("hold", f"cannot see: {'; '.join(case.blindness)}") if case.blindness else None


def _shadow(case: _Case) -> Ruling | None:
    if case.rollout.plan.mode != "shadow":
        return None
    finding = case.likeness
    alike = "" if finding.canary is None else f"; {finding.canary:.1%} of what was said is the same"
    return ("pause" if finding.state == "ok" else "hold"), finding.note + alike


def _unfair_outcomes(case: _Case) -> Ruling | None:
    return _of_first((case.outcome_ratio,), "hold")


def _promotion(case: _Case) -> Ruling | None:
    if not case.proven or not case.settled or case.obstacles:
        return None
    return "promote", f"{case.quality.name}: {_in_numbers(case.quality)}"


def _exhausted(case: _Case) -> Ruling | None:
    plan = case.rollout.plan
    if case.proven or not exhausted(case.outcomes, plan):
        return None
    if plan.mode == "ab":
        return "roll_back", f"no win among {plan.max_units} units; {case.quality.name}: {_in_numbers(case.quality)}"
    return "pause", f"nothing is proven by {plan.max_units} units; {case.quality.name}: {_in_numbers(case.quality)}"


def _step(case: _Case) -> Ruling | None:
    plan, share = case.rollout.plan, case.rollout.traffic_percent
    if plan.mode != "canary" or share >= plan.max_percent or case.unchanged_s < plan.every_s or case.obstacles:
        return None
    return "step", f"all is well at {share} % for {duration(case.unchanged_s)}"


def _hold(case: _Case) -> Ruling | None:
    return "hold", f"waits for {'; '.join([*case.obstacles, *_waits_for(case)])}"


_RULES = (
    _without_users,
    _guardrail,
    _sample_ratio,
    _loss,
    _paused,
    _shift,
    _clock,
    _deadline,
    _blind,
    _shadow,
    _unfair_outcomes,
    _promotion,
    _exhausted,
    _step,
    _hold,
)


def _of_first(findings: tuple[Finding, ...], action: Action) -> Ruling | None:
    """Return the ruling of the first finding that is a breach."""
    found = next((finding for finding in findings if finding.state == "breach"), None)
    if found is None:
        return None
    return action, f"{found.name}: {found.note if found.effect is None else _in_numbers(found)}"


def _in_numbers(finding: Finding) -> str:
    if finding.effect is None or finding.low is None or finding.high is None:
        return finding.note
    return f"{finding.note}: {finding.effect:+.4f} [{finding.low:+.4f}, {finding.high:+.4f}]"


def _waits_for(case: _Case) -> list[str]:
    """Return what is waited for though nothing is wrong."""
    plan, share = case.rollout.plan, case.rollout.traffic_percent
    waits = []
    if plan.mode == "shadow":
        return [case.likeness.note]
    if plan.mode == "canary" and not case.settled:
        last = "the last step to prove itself" if share >= plan.max_percent else f"the next step, from {share} %"
        left_s = plan.every_s - case.unchanged_s
        waits.append(last + (f", in {duration(left_s)}" if left_s > 0 else ""))
    if not case.proven:
        waits.append(f"{case.quality.name}: {_in_numbers(case.quality)}")
    return waits
