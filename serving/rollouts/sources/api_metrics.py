"""Calls from the API's own ``/metrics``, on one machine, where nobody else keeps them."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from http.client import HTTPException
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from mediareview.errors import MediaReviewError
from serving.rollouts.rollout import Rollout
from serving.rollouts.sources.call_history import load, save
from serving.rollouts.sources.calls import METRIC, Seen, Series, Totals

TIMEOUT_S = 3.0
_PROCESS_START = "process_start_time_seconds"


class ApiCalls:
    """Calls that one API counts.

    Args:
        url: returns the base URL of the API, which may move.
        path: where the history is kept.
        keep: write it; only one may, the others read it.
    """

    def __init__(self, url: Callable[[], str], path: Path, *, keep: bool) -> None:
        self._url = url
        self._path = path
        self._keep = keep
        self._history = load(path)

    def read(self, rollouts: Iterable[Rollout], now: datetime) -> Mapping[str, Seen]:
        """Return the calls of rollouts, by their id.

        Raises:
            MediaReviewError: the API does not tell.
        """
        rollouts = list(rollouts)
        process, counters = _scrape(self._url())
        history = self._history if self._keep else load(self._path)
        sample = history.count(process, counters, now)
        history.remember(sample, rollouts)
        if self._keep:
            save(self._path, history)
        return {rollout.id: history.seen(rollout, sample) for rollout in rollouts}


def _scrape(url: str) -> tuple[float, Totals]:
    """Return when the API's process began, and its counters of predictor calls."""
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=TIMEOUT_S) as answer:  # noqa: S310 an address of ours
            return _parse(answer.read().decode())
    except (OSError, HTTPException, ValueError, KeyError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise MediaReviewError(
            f"the API at {url} does not show its metrics: {reason}", "Start it: mediareview serve."
        ) from None


def _parse(text: str) -> tuple[float, Totals]:
    wanted = (METRIC, _PROCESS_START)
    lines = [line for line in text.splitlines() if line.removeprefix("# TYPE ").startswith(wanted)]
    process = 0.0
    counters: dict[Series, float] = {}
    for family in text_string_to_metric_families("\n".join([*lines, ""])):
        for sample in family.samples:
            if sample.name == _PROCESS_START:
                process = sample.value
            elif sample.name in (f"{METRIC}_count", f"{METRIC}_bucket"):
                series = _series(sample.labels)
                # Versions of a variant are counted together.
                counters[series] = counters.get(series, 0.0) + sample.value
    return process, counters


def _series(labels: Mapping[str, str]) -> Series:
    return Series(labels["model"], labels["variant"], labels["outcome"], labels.get("le", ""))
