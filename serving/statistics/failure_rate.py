"""Evidence that failures are more frequent than they may be, exactly valid after any number of calls.

An e-process (Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and safe anytime-valid inference",
Statistical Science 38, 2023): a bet that starts with 1 and cannot be expected to grow while the rate is at most what
it may be, so that it ever exceeds ``1 / alpha`` with a probability of at most ``alpha``, by Ville's inequality. It
needs no burn-in and no approximation: a handful of failures in a row is enough to act on.
"""

from math import exp, log, log1p

_STAKES = tuple(2.0**-power for power in range(1, 9))
"""Alternatives that are betted on, as shares of the way from the greatest rate allowed to 1."""


def failure_log_evidence(failures: int, calls: int, allowed: float) -> float:
    """Return the natural logarithm of the evidence against "the failure rate is at most ``allowed``".

    It is a mixture of likelihood ratios, each of which is a supermartingale whatever the rate up to ``allowed`` is.

    Args:
        failures: failed calls, at most ``calls``.
        calls: all calls.
        allowed: greatest rate that is allowed, 0 to 1, neither included.
    """
    logs = []
    for stake in _STAKES:
        rate = allowed + (1 - allowed) * stake
        logs.append(failures * log(rate / allowed) + (calls - failures) * (log1p(-rate) - log1p(-allowed)))
    most = max(logs)
    return most + log(sum(exp(value - most) for value in logs) / len(logs))
