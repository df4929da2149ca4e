"""Whether logged answers can tell anything about a candidate; if they cannot, no number is better than a wrong one."""

from dataclasses import dataclass

import numpy as np

from mediareview.errors import MediaReviewError
from serving.off_policy.positions import NOTHING, Positions

MIN_ANSWERS = 500
MIN_UNITS = 50
MIN_EFFECTIVE_SAMPLE = 100.0
MIN_EFFECTIVE_CLICKS = 30.0
MIN_OVERLAP = 0.8
LONGER = "Let it explore for longer, or with a greater MEDIAREVIEW_EXPLORATION_SHARE."


@dataclass(frozen=True)
class Diagnostics:
    """What the estimates rest on."""

    answers: int
    units: int
    positions: int
    """Places for which the candidate has a title."""
    matched: int
    """Positions at which the title that the candidate wants was shown."""
    clicks: int
    """Clicks at those."""
    effective_sample: float
    """Kish's size of the weighted positions: sum of the weights squared, by the sum of their squares."""
    effective_clicks: float
    """The same of the weighted clicks."""
    overlap: float
    """Share of the positions whose wanted title could have been shown, between 0 and 1. Estimated by the mean weight,
    of which it is the expectation: a position that could not have matched never gets any."""
    max_weight: float
    """The greatest, before clipping."""
    clipped_share: float
    """Share of the matched positions whose weight was cut."""
    randomised_share: float
    """Share of the positions that showed a title by chance: with a propensity below a half."""


def diagnose(logged: Positions, max_weight: float | None = None) -> Diagnostics:
    """Return what the estimates rest on.

    Args:
        logged: what was shown and clicked, and what the candidate would have shown.
        max_weight: to which greater weights are cut.
    """
    raw = logged.weight
    weight = raw if max_weight is None else np.minimum(raw, max_weight)
    wanted, matched = logged.wanted != NOTHING, raw > 0
    return Diagnostics(
        answers=logged.n_answers,
        units=logged.n_units,
        positions=int(wanted.sum()),
        matched=int(matched.sum()),
        clicks=int(logged.clicked[matched].sum()),
        effective_sample=_kish(weight),
        effective_clicks=_kish(weight * logged.clicked),
        overlap=min(float(raw[wanted].mean()), 1.0) if wanted.any() else 0.0,
        max_weight=float(raw.max(initial=0.0)),
        clipped_share=float((raw > weight).sum() / max(matched.sum(), 1)),
        randomised_share=float((logged.propensity < 0.5).mean()) if len(raw) else 0.0,
    )


def refuse_if_uninformative(found: Diagnostics) -> None:
    """Refuse a log that could not carry an estimate of any candidate.

    Raises:
        MediaReviewError: there is too little of it, or no exploration; says which, and what to do.
    """
    if found.answers < MIN_ANSWERS or found.units < MIN_UNITS:
        raise MediaReviewError(
            f"{found.answers} answers to {found.units} users are too few: at least {MIN_ANSWERS} to {MIN_UNITS} are "
            "needed.",
            LONGER,
        )
    if found.randomised_share == 0:
        raise MediaReviewError(
            "The answers logged were not randomised: nothing tells how other titles would have been clicked.",
            "Serve with MEDIAREVIEW_EXPLORATION_SHARE=0.1 for a while, or start a rollout: it compares real answers.",
        )


def refuse_if_unreliable(found: Diagnostics) -> None:
    """Refuse to estimate where an estimate, or its interval, would mean nothing.

    Raises:
        MediaReviewError: there is too little data, no exploration, or no overlap; says which, and what to do.
    """
    refuse_if_uninformative(found)
    if found.overlap < MIN_OVERLAP:
        raise MediaReviewError(
            f"Only {found.overlap:.0%} of what the candidate would show could have been shown by the answers logged "
            f"(at least {MIN_OVERLAP:.0%} are needed): of the rest they know nothing.",
            "The two models differ too much for this comparison. Start a rollout: it compares real answers.",
        )
    for what, value, least in (
        ("positions", found.effective_sample, MIN_EFFECTIVE_SAMPLE),
        ("clicks", found.effective_clicks, MIN_EFFECTIVE_CLICKS),
    ):
        if value < least:
            raise MediaReviewError(
                f"The answers logged are worth only {value:.0f} {what} of the candidate's (at least {least:.0f} are "
                f"needed): one of them counts up to {found.max_weight:.0f} times.",
                LONGER,
            )


def _kish(weight: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares else 0.0
