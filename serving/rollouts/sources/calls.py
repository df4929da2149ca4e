"""Calls of predictors, as the API counts them: the one metric that both sources read, and what it says."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import NamedTuple, Protocol

from serving.rollouts.evidence import CANARY, CONTROL, Calls, Group
from serving.rollouts.rollout import Rollout

METRIC = "mediareview_api_predictor_seconds"
"""Histogram of the API, by model, version, variant and outcome."""

RECENT_S = 120.0
"""What ``recent_calls`` look back on."""

ANSWERED = "ok"
NOBODYS_FAULT = frozenset({"overloaded", "cancelled", "skipped"})
"""Outcomes that say nothing about a version: it has too much to do, its caller went away, or its process is away, which
its readiness tells."""


class Series(NamedTuple):
    """What a counter counts."""

    model: str
    variant: str
    outcome: str
    bound: str = ""
    """Upper bound of a histogram bucket, in seconds; empty for the number of all calls."""


Totals = Mapping[Series, float]
"""Series to the number of calls."""


@dataclass(frozen=True)
class Seen:
    """Calls of both groups."""

    since_start: Mapping[Group, Calls]
    recent: Mapping[Group, Calls]


class CallSource(Protocol):
    """Knows how predictors have been called."""

    def read(self, rollouts: Iterable[Rollout], now: datetime) -> Mapping[str, Seen]:
        """Return the calls of rollouts, by their id; also to be called while there is none, to go on counting.

        Raises:
            MediaReviewError: they cannot be seen, and why.
        """


def calls_of(rollout: Rollout, totals: Totals) -> dict[Group, Calls]:
    """Return the calls of a rollout's variants."""
    return {
        CANARY: _calls(rollout.model, rollout.candidate.predictor, totals),
        CONTROL: _calls(rollout.model, rollout.stable_predictor, totals),
    }


def _calls(model: str, variant: str, totals: Totals) -> Calls:
    answered = failed = 0.0
    latency: dict[float, float] = defaultdict(float)
    for series, count in totals.items():
        if (series.model, series.variant) != (model, variant) or series.outcome in NOBODYS_FAULT:
            continue
        if series.bound:
            if series.outcome == ANSWERED and isfinite(float(series.bound)):
                latency[float(series.bound)] += count
        elif series.outcome == ANSWERED:
            answered += count
        else:
            failed += count
    return Calls(round(answered), round(failed), {bound: round(count) for bound, count in sorted(latency.items())})
