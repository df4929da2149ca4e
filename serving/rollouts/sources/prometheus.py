"""Calls from a Prometheus server, which sums over the API's replicas and remembers what they counted.

``increase`` begins with the first sample of a series that it finds: failures counted before a series was scraped for
the first time, which is when a new version fails most, would be lost. So the first sample of a series that appeared
within the range is added, as long as the API was scraped at the range's beginning. Where it was not, what happened
before cannot be told, and is not made up.
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from datetime import datetime
from http.client import HTTPException
from math import ceil, isfinite

from mediareview.errors import MediaReviewError
from serving.rollouts.rollout import Rollout
from serving.rollouts.sources.calls import ANSWERED, METRIC, RECENT_S, Seen, Series, Totals, calls_of

TIMEOUT_S = 10.0
LEAST_RANGE_S = 60
"""An increase needs two samples, and Prometheus takes one in 15 to 30 seconds."""
STALE_S = 120
"""Age of the newest sample from which on the calls cannot be seen."""
_ALWAYS_THERE = "mediareview_api_in_flight_requests"
"""A metric that the API shows from its first probe on."""


class PrometheusCalls:
    """Calls that a Prometheus server has seen.

    Args:
        url: base URL of the server, or of one that speaks its API, such as Thanos or Mimir.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def read(self, rollouts: Iterable[Rollout], now: datetime) -> Mapping[str, Seen]:
        """Return the calls of rollouts, by their id.

        Raises:
            MediaReviewError: the server does not answer, or has no fresh samples of the API.
        """
        found = {}
        for rollout in rollouts:
            self._check_fresh(rollout.model)
            begun_s = (now - rollout.started_at).total_seconds()
            since_start = self._totals(rollout.model, begun_s)
            recent = self._totals(rollout.model, min(RECENT_S, begun_s))
            found[rollout.id] = Seen(calls_of(rollout, since_start), calls_of(rollout, recent))
        return found

    def _check_fresh(self, model: str) -> None:
        ages = self._query(f'time() - max(timestamp({METRIC}_count{{model="{model}"}}))')
        if not ages:
            raise MediaReviewError(
                f"Prometheus at {self._url} knows no calls of the {model} model", "Does it scrape the API's /metrics?"
            )
        if (age_s := ages[0][1]) > STALE_S:
            raise MediaReviewError(
                f"Prometheus at {self._url} scraped calls of the {model} model {age_s:.0f} s ago for the last time",
                "Look at its targets: the API must be among them, and up.",
            )

    def _totals(self, model: str, range_s: float) -> Totals:
        counts = self._increase(f'{METRIC}_count{{model="{model}"}}', "variant, outcome", range_s)
        buckets = self._increase(
            f'{METRIC}_bucket{{model="{model}",outcome="{ANSWERED}"}}', "variant, outcome, le", range_s
        )
        return {
            Series(model, labels.get("variant", ""), labels.get("outcome", ""), labels.get("le", "")): count
            for labels, count in (*counts, *buckets)
        }

    def _increase(self, selector: str, by: str, range_s: float) -> list[tuple[dict[str, str], float]]:
        seconds = max(LEAST_RANGE_S, ceil(range_s))
        appeared = f"(min_over_time({selector}[{seconds}s]) unless {selector} offset {seconds}s)"
        known = f"(count({_ALWAYS_THERE} offset {seconds}s) > 0)"
        # Two vectors in one sum: "or" keeps both where a label tells them apart.
        parts = (
            f'label_replace(increase({selector}[{seconds}s]), "part", "increase", "", "")',
            f'label_replace({appeared} and on() {known}, "part", "appeared", "", "")',
        )
        return self._query(f"sum by ({by}) ({' or '.join(parts)})")

    def _query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return the labels and values of an instant vector.

        Raises:
            MediaReviewError: the server does not answer, or not with a vector.
        """
        body = urllib.parse.urlencode({"query": expression, "timeout": f"{TIMEOUT_S:.0f}s"}).encode()
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/query", body, TIMEOUT_S) as answer:  # noqa: S310 an operator's address
                found = json.load(answer)
            rows = [(row["metric"], float(row["value"][1])) for row in found["data"]["result"]]
        except urllib.error.HTTPError as error:
            raise MediaReviewError(f"Prometheus at {self._url} refuses a query: {_reason(error)}") from None
        except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise MediaReviewError(
                f"Prometheus at {self._url} does not answer: {reason}", "Check MEDIAREVIEW_METRICS_URL."
            ) from None
        return [(labels, value) for labels, value in rows if isfinite(value)]


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"status {error.code}"
