"""Guardrails: what a candidate must never do, whatever it gains. They act within a handful of calls.

A candidate is held against the stable version in the same minutes, so that trouble that both of them have is no reason
to take it back. Each guardrail has an error level of its own, much stricter than the plan's, which is quality's alone.
"""

from collections.abc import Callable, Sequence
from math import log, sqrt
from typing import NamedTuple

from serving.rollouts.evidence import CANARY, CONTROL, Calls, Evidence
from serving.rollouts.latency import quantile_s
from serving.rollouts.rollout import Rollout
from serving.rollouts.verdict import Finding, State
from serving.statistics import failure_log_evidence

ALPHA = 0.001
"""Probability that a candidate that is as good as the stable version is taken back for the calls of some minutes."""
MIN_CALLS = 20
"""Calls of a version without which nothing is known of it."""
FAILURE_TOLERANCE = 0.01
"""Share of failures that a candidate may have more than the stable version."""
MIN_FAILURES = 5
SLOW_TOLERANCE = 0.05
"""Share of slow answers that a candidate may have more than the stable version."""
MIN_SLOW = 20
"""The first answers of a process may be slow."""
SLOWER = 2.0
"""An answer is slow if it takes this many times longer than 95 % of the stable version's."""
SLOW_S = 0.025
"""No answer is slow that takes less."""


class Pair(NamedTuple):
    """Calls of both versions over the same time."""

    canary: Calls
    control: Calls
    growth: float
    """How many times the candidate's calls for each one of the stable version have become more over that time."""


class Share(NamedTuple):
    """How many calls are bad."""

    bad: int
    calls: int


def call_guardrails(rollout: Rollout, evidence: Evidence) -> tuple[Finding, Finding]:
    """Return whether the candidate's calls fail, or are slow, more often than those of the stable version."""
    pairs = _pairs(rollout, evidence)
    return _failures(pairs), _latency(pairs)


def readiness(rollout: Rollout, evidence: Evidence) -> Finding:
    """Return whether the candidate is ready, or has not been for too long."""
    if evidence.candidate_ready:
        return Finding(name="readiness", role="guardrail", state="ok", note="the candidate is ready")
    since = evidence.unready_since
    unready_s = (evidence.at - since).total_seconds() if since else 0.0
    limit_s = rollout.plan.ready_timeout_s
    state: State = "breach" if unready_s > limit_s else "waiting"
    note = f"the candidate has not been ready for {unready_s:.0f} s; it may take {limit_s:.0f} s"
    return Finding(name="readiness", role="guardrail", state=state, note=note)


def slow_above_s(control: Calls) -> float | None:
    """Return the bound of a histogram's bucket above which an answer is slow, in seconds; None if there is none."""
    usual_s = quantile_s(control, 0.95)
    if usual_s is None:
        return None
    wanted_s = max(SLOWER * usual_s, SLOW_S)
    return min((bound for bound in control.latency if bound >= wanted_s), default=None)


_UNSEEN = "calls cannot be seen"


def _pairs(rollout: Rollout, evidence: Evidence) -> list[Pair]:
    """Return the calls of the last minutes, and all of them; none if they cannot be seen."""
    pairs = []
    for calls, growth in ((evidence.recent_calls, 1.0), (evidence.calls, _growth(rollout))):
        if calls is None or CANARY not in calls or CONTROL not in calls:
            return []
        pairs.append(Pair(calls[CANARY], calls[CONTROL], growth))
    return pairs


def _growth(rollout: Rollout) -> float:
    """Return how many times the candidate's odds of getting a call have become what they were at first, at least 1."""
    first = rollout.plan.traffic_percent
    now = min(max(rollout.traffic_percent, first), 99)
    return now * (100 - first) / (first * (100 - now))


def _failures(pairs: Sequence[Pair]) -> Finding:
    if not pairs:
        return Finding(name="failures", role="guardrail", state="unknown", note=_UNSEEN)
    return _guardrail(
        "failures", "failed", pairs, lambda calls: Share(calls.failed, calls.total), FAILURE_TOLERANCE, MIN_FAILURES
    )


def _latency(pairs: Sequence[Pair]) -> Finding:
    if not pairs:
        return Finding(name="latency", role="guardrail", state="unknown", note=_UNSEEN)
    control = next((pair.control for pair in pairs if pair.control.answered >= MIN_CALLS), None)
    if control is None:
        note = f"waits for {MIN_CALLS} answers of the stable version"
        return Finding(name="latency", role="guardrail", state="waiting", note=note)
    limit_s = slow_above_s(control)
    if limit_s is None:
        note = "the stable version is so slow that the histogram has no bucket for what is slower"
        return Finding(name="latency", role="guardrail", state="ok", note=note)

    def slow(calls: Calls) -> Share:
        # Counts that Prometheus extrapolates need not fit together.
        return Share(max(0, calls.answered - calls.latency.get(limit_s, calls.answered)), calls.answered)

    return _guardrail("latency", f"were slow (over {limit_s:g} s)", pairs, slow, SLOW_TOLERANCE, MIN_SLOW)


def _guardrail(
    name: str, what: str, pairs: Sequence[Pair], bad: Callable[[Calls], Share], tolerance: float, least: int
) -> Finding:
    """Return what is found in the first pair that is a breach; else in the last minutes, or in all if they are few.

    Args:
        name: of the finding.
        what: bad calls did.
        pairs: calls of the last minutes, and all of them.
        bad: counts bad calls.
        tolerance: share of bad calls that the candidate may have more, 0 to 1.
        least: bad calls without which there is no breach.
    """
    found = [(bad(pair.canary), bad(pair.control), pair.growth) for pair in pairs]
    breach = next((one for one in found if _exceeds(*one, tolerance, least)), None)
    recent, ever = found
    canary, control, _ = breach or (recent if recent[0].calls >= MIN_CALLS else ever)
    note = f"{canary.bad} of {canary.calls} calls {what}; of the stable version's {control.bad} of {control.calls}"
    state: State = "breach" if breach else "ok"
    if not breach and (canary.calls < MIN_CALLS or not recent[0].calls):
        state, note = "waiting", f"{note}; waits for {MIN_CALLS} calls of the candidate, some of them lately"
    return Finding(
        name=name,
        role="guardrail",
        state=state,
        canary=_rate(canary),
        control=_rate(control),
        units=(canary.calls, control.calls),
        note=note,
    )


def _exceeds(canary: Share, control: Share, growth: float, tolerance: float, least: int) -> bool:
    """Whether the candidate has more bad calls than it may.

    What it may have is the control group's share, were that group lucky, and a tolerance. Of a group with few calls
    little is known: it is counted as if it had ten more, of which a tenth of one was bad. A trouble of both versions
    may have come while the candidate had more traffic than at other times; that makes its share greater than the
    control group's, but by no more than its traffic has grown.
    """
    calls = control.calls + 10.0
    share = (control.bad + 0.1) / calls
    share += 3 * sqrt(share * (1 - share) / calls)
    allowed = min(growth * share + tolerance, 0.99)
    return canary.bad >= least and failure_log_evidence(*canary, allowed) >= -log(ALPHA)


def _rate(share: Share) -> float | None:
    return share.bad / share.calls if share.calls else None
