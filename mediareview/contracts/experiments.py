"""What rollouts leave behind: who was enrolled, what was answered, and what was decided."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mediareview.contracts.record import Identifier, Moment, Record, Timestamp

Probability = Annotated[float, Field(gt=0, le=1)]


class Exposure(Record):
    """A user or visitor is enrolled in an experiment, by the first answer got in it."""

    table: ClassVar[str] = "exposures"
    key: ClassVar[tuple[str, ...]] = ("experiment", "unit", "request_id")

    experiment: Identifier
    """Id of the rollout."""
    unit: Identifier
    """Who was assigned: a user's id, or a visitor's."""
    variant: Identifier
    """Name of the predictor that the unit was assigned to, whichever answered."""
    propensity: Probability
    """Probability with which an enrolled unit is assigned to that variant."""
    request_id: Identifier
    model: Identifier
    occurred_at: Timestamp
    source: str = ""


class ServedAnswer(Record):
    """What was answered to a unit of an experiment. Texts are not kept, only what was said of them."""

    table: ClassVar[str] = "answers"
    key: ClassVar[tuple[str, ...]] = ("request_id", "model")

    request_id: Identifier
    experiment: Identifier
    unit: Identifier
    model: Identifier
    variant: Identifier
    """The variant that the unit was assigned to."""
    answered_by: Identifier
    """The variant that answered: the stable one if the assigned one did not."""
    version: str
    """Registry version of the model that answered."""
    item_ids: list[str] = Field(default_factory=list)
    """Titles in the order shown, or ids of the items judged."""
    labels: list[str] = Field(default_factory=list)
    """What was said of each item: its sentiment, or the action; empty for recommendations."""
    scores: list[float] = Field(default_factory=list)
    """Score of each title, probability of each label, or greatest probability of a category."""
    propensities: list[float] = Field(default_factory=list)
    """Probability with which each title came to be shown at its place; empty if the order was not randomised."""
    occurred_at: Timestamp
    source: str = ""


class ShadowComparison(Record):
    """What a candidate in shadow mode said to the copy of a request, against what was answered."""

    table: ClassVar[str] = "shadow"
    key: ClassVar[tuple[str, ...]] = ("experiment", "request_id")

    request_id: Identifier
    experiment: Identifier
    model: Identifier
    version: str
    """Registry version of the candidate."""
    agreement: Annotated[float, Field(ge=0, le=1)]
    """Share of items with the same label or action; share of the titles answered that the candidate recommends too."""
    score_difference: float | None = None
    """Mean absolute difference of the probabilities; None for recommendations, whose scores have no common scale."""
    occurred_at: Timestamp
    source: str = ""


class RolloutChange(Record):
    """A change of a rollout: who did what, why, and on which evidence. Together they are the audit log."""

    table: ClassVar[str] = "rollout_changes"
    key: ClassVar[tuple[str, ...]] = ("change_id",)

    change_id: Identifier
    rollout: Identifier
    sequence: Annotated[int, Field(ge=1)]
    """Place among the changes of its rollout, from 1."""
    model: Identifier
    version: Identifier
    """Registry version of the candidate."""
    stable_version: str
    action: Literal["start", "enter", "step", "pause", "resume", "promote", "roll_back"]
    phase: Literal["starting", "running", "paused", "promoted", "rolled_back"]
    """Where the rollout is after the change."""
    traffic_percent: Annotated[int, Field(ge=0, le=100)]
    """The candidate's share after the change."""
    actor: Identifier
    """Who did it: a person's name, or ``controller``."""
    reason: str
    evidence: str = ""
    """What was known when it was decided, as JSON."""
    occurred_at: Moment
