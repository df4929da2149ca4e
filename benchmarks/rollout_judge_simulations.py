"""How often the judge takes back a healthy candidate, and how many calls a failing one gets, in simulated traffic."""

from collections.abc import Mapping
from datetime import UTC, datetime
from math import sqrt
from statistics import NormalDist

import numpy as np

from benchmarks.report import Row
from benchmarks.rollout_simulations import EXPERIMENTS, HORIZON, NAIVE, bernoulli, first, rate_row
from serving.rollouts.evidence import CANARY, CONTROL, Calls, Evidence, Group, Outcomes
from serving.rollouts.guardrails import MIN_CALLS, call_guardrails
from serving.rollouts.judge import judge
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import Candidate, Rollout
from serving.statistics import difference_path

GROUPS: tuple[Group, Group] = (CANARY, CONTROL)
LOOK_S = 5
WINDOW_S = 120
WEEK_S = 7 * 86400
HEALTHY = 0.002
"""Share of calls that fail though nothing is wrong."""
SLOW = 0.02
"""Share of calls that are slow though nothing is wrong."""
CONTROL_CALLS = 9
"""Calls of the stable version for each of the candidate: it has 10 % of the traffic."""
_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_ROLLOUT = Rollout(
    id="simulated",
    model="sentiment",
    candidate=Candidate(version="2", uri="file:///2", predictor="v2"),
    stable_version="1",
    stable_predictor="stable",
    plan=Plan(),
    phase="running",
    traffic_percent=10,
    sequence=2,
    started_at=_NOW,
    changed_at=_NOW,
    reason="",
)


def rows() -> list[Row]:
    """Return all rows; about a minute on one core."""
    return [wrong_verdicts(), false_alarms(weeks=4), *calls_until_rollback(experiments=300)]


def wrong_verdicts(experiments: int = EXPERIMENTS) -> Row:
    """Return how often the judge promotes or takes back one of two equal versions, in A/B tests.

    It is asked once, at the end: what any earlier look would have found it still finds.
    """
    random = np.random.default_rng(52)
    draw, plan = bernoulli(0.7), Plan(mode="ab", traffic_percent=50)
    rollout = _ROLLOUT.model_copy(update={"plan": plan, "traffic_percent": plan.traffic_percent})
    healthy: dict[Group, Calls] = {group: _calls(1000, 0, 0) for group in GROUPS}
    every = np.arange(2 * plan.min_units, HORIZON + 1)
    decided, naive = np.full(experiments, np.inf), np.full(experiments, np.inf)
    for number in range(experiments):
        values = {group: draw(random, (1, HORIZON // 2))[0] for group in GROUPS}
        outcomes = {"agreement": Outcomes("agreement", True, values)}
        enrolled = dict.fromkeys(GROUPS, HORIZON // 2)
        verdict = judge(rollout, Evidence(_NOW, enrolled, healthy, healthy, outcomes, candidate_ready=True))
        if verdict.action in ("promote", "roll_back"):
            decided[number] = HORIZON
        path = difference_path(values[CANARY], values[CONTROL], every, 0.5)
        naive[number] = first((np.abs(path.effect / path.standard_error) > NAIVE)[None], every)[0]
    return rate_row("aa_wrong_verdicts_of_the_judge", decided, "naive peeking", naive)


def false_alarms(weeks: int) -> Row:
    """Return the false alarms per week of a candidate that is as good as the stable version, looked at every 5 s."""
    random = np.random.default_rng(0)
    looks = WEEK_S // LOOK_S
    # One call of the candidate a second.
    per_look: dict[Group, int] = {CANARY: LOOK_S, CONTROL: LOOK_S * CONTROL_CALLS}
    alarms = naive = 0
    for _ in range(weeks):
        failed = {group: _counter(random.binomial(calls, HEALTHY, looks)) for group, calls in per_look.items()}
        slow = {group: _counter(random.binomial(calls, SLOW, looks)) for group, calls in per_look.items()}
        before = naive_before = False
        for look in range(WINDOW_S // LOOK_S, looks + 1):
            recent, ever = (
                {
                    group: _calls(
                        calls * (look - since),
                        int(failed[group][look] - failed[group][since]),
                        int(slow[group][look] - slow[group][since]),
                    )
                    for group, calls in per_look.items()
                }
                for since in (look - WINDOW_S // LOOK_S, 0)
            )
            alarm = _takes_back(recent, ever)
            naive_alarm = _z_test(recent[CANARY], recent[CONTROL])
            alarms += alarm and not before
            naive += naive_alarm and not naive_before
            before, naive_before = alarm, naive_alarm
    note = (
        f"{weeks} weeks, looked at every {LOOK_S} s; 1 call/s of the candidate; "
        f"{HEALTHY:.1%} fail and {SLOW:.0%} are slow of either version"
    )
    return Row("guardrail_false_alarms_per_week", alarms / weeks, "1/week", "z-test at every look", naive / weeks, note)


def calls_until_rollback(experiments: int, most: int = 2000) -> list[Row]:
    """Return how many calls a failing candidate gets until it is taken back, looked at after each."""
    table = []
    for rate in (0.05, 0.2, 1.0):
        random = np.random.default_rng(round(100 * rate))
        needed = np.full(experiments, np.inf)
        naive = np.full(experiments, np.inf)
        for number in range(experiments):
            failed = np.cumsum(random.random(most) < rate)
            control = np.cumsum(random.binomial(CONTROL_CALLS, HEALTHY, most))
            for call in range(1, most + 1):
                calls: dict[Group, Calls] = {
                    CANARY: _calls(call, int(failed[call - 1]), 0),
                    CONTROL: _calls(CONTROL_CALLS * call, int(control[call - 1]), 0),
                }
                if naive[number] > call and _z_test(calls[CANARY], calls[CONTROL]):
                    naive[number] = call
                if _takes_back(calls, calls):
                    needed[number] = call
                    break
        name = f"calls_until_rollback_at_{round(100 * rate)}_percent_failures"
        note = (
            f"median of {experiments}; 95 % within {np.quantile(needed, 0.95):.0f}; {HEALTHY:.1%} of the stable "
            f"version's calls fail; the z-test waits for {MIN_CALLS} calls"
        )
        baseline = float(np.median(np.where(np.isfinite(naive), naive, MIN_CALLS)))
        table.append(Row(name, float(np.median(needed)), "calls", "z-test at every look", baseline, note))
    return table


def _takes_back(recent: Mapping[Group, Calls], ever: Mapping[Group, Calls]) -> bool:
    seen = Evidence(_NOW, {}, ever, recent, {}, candidate_ready=True)
    return any(finding.state == "breach" for finding in call_guardrails(_ROLLOUT, seen))


def _counter(counts: np.ndarray) -> np.ndarray:
    return np.cumsum(np.concatenate(([0], counts)))


def _calls(total: int, failed: int, slow: int) -> Calls:
    answered = total - failed
    fast = answered - min(slow, answered)
    return Calls(answered, failed, {bound: fast if bound < 0.25 else answered for bound in _BUCKETS_S})


def _z_test(canary: Calls, control: Calls) -> bool:
    """Whether a two-proportion z-test at 5 % finds that the candidate fails more often."""
    total = canary.total + control.total
    share = (canary.failed + control.failed) / total
    error = sqrt(share * (1 - share) * (1 / canary.total + 1 / control.total))
    apart = canary.failed / canary.total - control.failed / control.total
    return canary.total >= MIN_CALLS and error > 0 and apart / error > NormalDist().inv_cdf(0.95)
