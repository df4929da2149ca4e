"""What is known of a rollout's variants at a moment: the judge sees this and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import numpy as np

CANARY: Final = "canary"
CONTROL: Final = "control"
"""The two groups that are compared."""
Group = Literal["canary", "control"]


@dataclass(frozen=True)
class Calls:
    """Calls of a variant's predictor, as the API counts them."""

    answered: int
    failed: int
    """Refused, gone, timed out, or answered with an error; overload and callers that went away do not count."""
    latency: Mapping[float, int] = field(default_factory=dict)
    """Upper bound of a histogram bucket, in seconds, to the number of answered calls that took no longer."""

    @property
    def total(self) -> int:
        """All calls that count."""
        return self.answered + self.failed


@dataclass(frozen=True)
class Outcomes:
    """A metric of each unit, in the order in which the outcomes became known."""

    metric: str
    higher_is_better: bool | None
    """None if neither is better, and both versions should be much alike."""
    values: "Mapping[Group, np.ndarray]"
    """Group to float64 array [units]."""
    covariates: "Mapping[Group, np.ndarray] | None" = None
    """The same units' metric before the experiment, NaN where there is none; for variance reduction."""
    missing: Mapping[Group, int] = field(default_factory=dict)
    """Units whose window has passed without anything to measure."""
    span: float = 1.0
    """Greatest possible difference between two units: 1 for rates, 4 for ratings from 1 to 5."""


@dataclass(frozen=True)
class Evidence:
    """What is known at a moment."""

    at: datetime
    enrolled: Mapping[Group, int]
    """Units enrolled, by group."""
    calls: Mapping[Group, Calls] | None
    """Since the rollout began, or since the source began to count; None if the source cannot be seen."""
    recent_calls: Mapping[Group, Calls] | None
    """Of the last minutes."""
    outcomes: Mapping[str, Outcomes]
    """By metric."""
    candidate_ready: bool
    unready_since: datetime | None = None
    """Since when the candidate has not been ready, as far as the source has seen; None if it is ready."""
    agreements: "np.ndarray | None" = None
    """In shadow mode: how far the candidate said the same as the stable version, 0 to 1, for each copy of a request."""
    blind: tuple[str, ...] = ()
    """Why something cannot be seen."""
