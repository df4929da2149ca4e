"""Quantiles of latency from the buckets of a histogram."""

from serving.rollouts.evidence import Calls


def quantile_s(calls: Calls, q: float) -> float | None:
    """Return a quantile of the latency of answered calls, in seconds; None if there is none.

    Within a bucket calls are taken to be spread evenly, as Prometheus does it; beyond the last bound nothing is known,
    and the last bound is returned.

    Args:
        calls: of one variant.
        q: between 0 and 1.
    """
    if not calls.answered or not calls.latency:
        return None
    wanted = q * calls.answered
    lower_s, below = 0.0, 0
    for bound_s, cumulated in sorted(calls.latency.items()):
        if cumulated >= wanted and cumulated > below:
            return lower_s + (bound_s - lower_s) * (wanted - below) / (cumulated - below)
        lower_s, below = bound_s, cumulated
    return lower_s
