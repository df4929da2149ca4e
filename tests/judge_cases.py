"""Rollouts and evidence to judge: all is well unless a test says otherwise."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from serving.rollouts.evidence import CANARY, CONTROL, Calls, Evidence, Group, Outcomes
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import Candidate, Rollout

START = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATENCY_S = {0.01: 0.5, 0.025: 0.96, 0.05: 1.0, 0.1: 1.0, 0.25: 1.0, 0.5: 1.0}
"""Bucket to the share of answers that take no longer: half as long as what counts as slow."""


def rollout(plan: Mapping[str, Any] | None = None, **fields: Any) -> Rollout:
    """Return a rollout that began, and changed last, at ``START``; it has all the traffic that its plan allows."""
    agreed = Plan(**(plan or {}))
    return Rollout(
        **{
            "id": "sentiment-2-a",
            "model": "sentiment",
            "candidate": Candidate(version="2", uri="file:///models/2", predictor="v2"),
            "stable_version": "1",
            "stable_predictor": "stable",
            "plan": agreed,
            "phase": "running",
            "traffic_percent": agreed.traffic_percent if agreed.mode == "ab" else agreed.max_percent,
            "sequence": 3,
            "started_at": START,
            "changed_at": START,
            "reason": "",
            **fields,
        }
    )


def calls(answered: int = 1000, failed: int = 0, slow: int = 0) -> Calls:
    """Return calls of which so many were answered slowly."""
    fast = answered - slow
    return Calls(
        answered,
        failed,
        {bound: int(share * fast) for bound, share in LATENCY_S.items() if bound < 0.5} | {0.5: answered},
    )


def both(canary: Calls | None = None, control: Calls | None = None) -> dict[Group, Calls]:
    """Return calls by group."""
    return {CANARY: canary or calls(), CONTROL: control or calls()}


def outcomes(
    metric: str = "agreement",
    canary: Any = (),
    control: Any = (),
    *,
    higher_is_better: bool | None = True,
    **fields: Any,
) -> Outcomes:
    """Return a metric's values of both groups."""
    values: dict[Group, np.ndarray] = {CANARY: np.asarray(canary, float), CONTROL: np.asarray(control, float)}
    return Outcomes(metric, higher_is_better, values, **fields)


def shares(units: int, canary: float, control: float, metric: str = "agreement", **fields: Any) -> Outcomes:
    """Return outcomes of 0 and 1, spread evenly, with a mean for each group."""
    return outcomes(metric, spread(units, canary), spread(units, control), **fields)


def spread(units: int, share: float) -> np.ndarray:
    """Return as many values of 0 and 1, of which at any time such a share is 1."""
    return np.diff(np.floor(np.arange(units + 1) * share + 1e-9))


def evidence(*found: Outcomes, **fields: Any) -> Evidence:
    """Return evidence of two hours after the start; without outcomes given, both versions do equally well."""
    known = found or (shares(1000, 0.7, 0.7),)
    units = len(known[0].values[CANARY]), len(known[0].values[CONTROL])
    return Evidence(
        **{
            "at": START + 2 * HOUR,
            "enrolled": dict(zip((CANARY, CONTROL), units, strict=True)),
            "calls": both(),
            "recent_calls": both(),
            "outcomes": {one.metric: one for one in known},
            "candidate_ready": True,
            **fields,
        }
    )
