"""Counts calls over all processes of the API, and remembers what the count was at moments that matter.

The API's counters begin anew with each of its processes, and say nothing of the last minutes. So whoever runs rollouts
keeps running totals and a few samples of them in a file, which outlives it and which others read.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from serving.rollouts.rollout import Rollout
from serving.rollouts.sources.calls import RECENT_S, Seen, Series, Totals, calls_of

logger = logging.getLogger(__name__)

SAMPLE_INTERVAL_S = 10.0
STARTS_KEPT = 12


@dataclass(frozen=True)
class Sample:
    """Running totals at a moment."""

    at_s: float
    """Unix time."""
    totals: Totals

    def since(self, earlier: "Sample | None") -> Totals:
        """Return the calls since an earlier sample."""
        if earlier is None:
            return self.totals
        return {series: count - earlier.totals.get(series, 0.0) for series, count in self.totals.items()}


@dataclass
class History:
    """Running totals over all processes of the API, and what they were at moments that matter."""

    process: float = 0.0
    """Start of the API's process that was counted last, in Unix time."""
    counters: Totals = field(default_factory=dict)
    """Its counters."""
    totals: dict[Series, float] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    """Of the last minutes, oldest first."""
    starts: dict[str, Sample] = field(default_factory=dict)
    """Rollout to the totals when it began."""

    def count(self, process: float, counters: Totals, now: datetime) -> Sample:
        """Add what the API has counted since it was asked last."""
        before = self.counters if process == self.process else {}
        for series, count in counters.items():
            counted = before.get(series, 0.0)
            # Where a process does not tell its start, a counter that is lower shows that it is another.
            self.totals[series] = self.totals.get(series, 0.0) + count - (counted if counted <= count else 0.0)
        self.process, self.counters = process, counters
        return Sample(now.timestamp(), dict(self.totals))

    def remember(self, sample: Sample, rollouts: Iterable[Rollout]) -> None:
        """Keep a sample for later, and for the rollouts that begin."""
        for rollout in rollouts:
            if rollout.phase == "starting":
                self.starts[rollout.id] = sample
            elif rollout.id not in self.starts and (begun := self._before(rollout.started_at.timestamp())):
                self.starts[rollout.id] = begun
        self.starts = dict(list(self.starts.items())[-STARTS_KEPT:])
        # A clock that was put back leaves samples of the future behind.
        self.samples = [kept for kept in self.samples if kept.at_s <= sample.at_s]
        if not self.samples or sample.at_s - self.samples[-1].at_s >= SAMPLE_INTERVAL_S:
            self.samples.append(sample)
        while len(self.samples) > 1 and self.samples[1].at_s <= sample.at_s - RECENT_S:
            del self.samples[0]

    def seen(self, rollout: Rollout, sample: Sample) -> Seen:
        """Return the calls of a rollout up to a sample."""
        begun = self.starts.get(rollout.id)
        recent = self._before(sample.at_s - RECENT_S)
        if begun is not None and (recent is None or recent.at_s < begun.at_s):
            recent = begun
        return Seen(calls_of(rollout, sample.since(begun)), calls_of(rollout, sample.since(recent)))

    def _before(self, at_s: float) -> Sample | None:
        """Return the newest sample taken at a moment or before."""
        return next((kept for kept in reversed(self.samples) if kept.at_s <= at_s), None)


def load(path: Path) -> History:
    """Return the history that a file holds; an empty one if there is none."""
    try:
        found = json.loads(path.read_bytes())
        return History(
            float(found["process"]),
            _totals(found["counters"]),
            _totals(found["totals"]),
            [Sample(float(item["at_s"]), _totals(item["totals"])) for item in found["samples"]],
            {
                rollout: Sample(float(item["at_s"]), _totals(item["totals"]))
                for rollout, item in found["starts"].items()
            },
        )
    except FileNotFoundError:
        return History()
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s cannot be read, counting begins anew: %r", path, error)
        return History()


def save(path: Path, history: History) -> None:
    """Write a history to a file, whole or not at all."""
    document = {
        "process": history.process,
        "counters": _plain(history.counters),
        "totals": _plain(history.totals),
        "samples": [{"at_s": sample.at_s, "totals": _plain(sample.totals)} for sample in history.samples],
        "starts": {key: {"at_s": item.at_s, "totals": _plain(item.totals)} for key, item in history.starts.items()},
    }
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(document, separators=(",", ":")))
        partial.replace(path)
    except OSError as error:
        # The totals in memory still hold.
        logger.warning("%s cannot be written: %s", path, error)


def _totals(rows: list[list[Any]]) -> dict[Series, float]:
    return {Series(*map(str, labels)): float(count) for *labels, count in rows}


def _plain(totals: Totals) -> list[list[Any]]:
    return [[*series, count] for series, count in totals.items()]
