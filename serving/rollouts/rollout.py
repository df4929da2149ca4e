"""What an InferenceService remembers of its rollout: one annotation, written together with the traffic or not at all.

The annotation is also the outbox of the audit log: a change stays in ``pending`` until the log has it, so that whoever
is killed between the two writes leaves nothing behind that the next one could not complete. What a newer release wrote
into the annotation is kept by an older one, which need not know it.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mediareview.contracts import RolloutChange
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Object
from serving.rollouts.plan import Plan

ANNOTATION = "mediareview.dev/rollout"

Phase = Literal["starting", "running", "paused", "promoted", "rolled_back"]


class Candidate(BaseModel):
    """The version that is rolled out."""

    model_config = ConfigDict(extra="allow", frozen=True)

    version: str
    uri: str
    """``file://`` or ``s3://`` URL of its artifact."""
    predictor: str
    """``predictor.name`` of its canary, and of the stable predictor once it is promoted."""


class Rollout(BaseModel):
    """A rollout as it stands."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str
    """Also the experiment's, by which users are assigned."""
    model: str
    candidate: Candidate
    stable_version: str
    stable_predictor: str
    """Name of the stable predictor as variants name it."""
    plan: Plan
    phase: Phase
    traffic_percent: int
    sequence: int
    """Number of changes so far."""
    started_at: datetime
    changed_at: datetime
    """When phase or traffic changed last."""
    reason: str
    """Of the last change."""
    pending: tuple[RolloutChange, ...] = ()
    """Changes that the audit log may not have yet, oldest first."""

    @property
    def active(self) -> bool:
        """Whether the candidate is being rolled out, or waits to go on."""
        return self.phase in ("starting", "running", "paused")


def rollout_of(service: Object) -> Rollout | None:
    """Return the newest rollout of an InferenceService, under way or ended; None if there never was one.

    Raises:
        MediaReviewError: the annotation was edited by hand and cannot be read.
    """
    text = (service["metadata"].get("annotations") or {}).get(ANNOTATION)
    if not text:
        return None
    try:
        return Rollout.model_validate_json(text)
    except ValidationError as error:
        name = service["metadata"].get("name", "")
        raise MediaReviewError(
            f"The annotation {ANNOTATION} of InferenceService {name!r} cannot be read: {error.errors()[0]['msg']}",
            "Remove the annotation and spec.canary by hand; the audit log (rollout history) tells what was under way.",
        ) from None
