"""Sequential test for a sample-ratio mismatch: are units assigned in the proportion that was planned?

Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022: the Bayes factor of a Dirichlet
prior around the planned proportion against that very proportion. A proportion that is off tells of a fault in
assignment or logging, which no analysis of the outcomes can repair.
"""

from collections.abc import Sequence
from math import exp, lgamma, log

CONCENTRATION = 100.0
"""Of the prior: shares off by a few hundredths are what is looked for."""


def sample_ratio_p_value(counts: Sequence[int], shares: Sequence[float], concentration: float = CONCENTRATION) -> float:
    """Return the anytime-valid p-value of "units come in these proportions", 0 to 1.

    That it is ever at most ``alpha`` has a probability of at most ``alpha``, however often one looks.

    Args:
        counts: units of each group.
        shares: planned share of each group, above 0, that add up to 1.
        concentration: of the prior, above 0.
    """
    priors = [concentration * share for share in shares]
    evidence = lgamma(concentration) - lgamma(concentration + sum(counts))
    for count, share, prior in zip(counts, shares, priors, strict=True):
        evidence += lgamma(prior + count) - lgamma(prior) - count * log(share)
    return exp(-max(0.0, evidence))
