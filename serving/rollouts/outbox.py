"""Changes on their way to the audit log: a transactional outbox in the annotation of the InferenceService.

A change is put into ``pending`` by the same write that makes it, and leaves once the log has it. Whoever is killed in
between leaves it there for the next one; the log takes each change once, however often it is brought.
"""

import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import ValidationError

from mediareview.contracts import RolloutChange
from mediareview.errors import MediaReviewError
from serving.objects.store import ConflictError, ObjectStore
from serving.rollouts.audit import AuditLog
from serving.rollouts.bounded_json import bounded_json
from serving.rollouts.changes import Action, with_rollout
from serving.rollouts.rollout import Rollout, rollout_of

logger = logging.getLogger(__name__)

EVIDENCE_BYTES = 4096
REASON_CHARACTERS = 1000
MOST_CONFLICTS = 10
"""Times that somebody else may be faster before a write is given up."""


class Outbox:
    """Puts changes into ``pending``, and takes them out once they are logged.

    Args:
        objects: where the InferenceServices are.
        audit: where changes are logged.
        now: the clock.
    """

    def __init__(self, objects: ObjectStore, audit: AuditLog, now: Callable[[], datetime]) -> None:
        self._objects = objects
        self._audit = audit
        self._now = now

    def put(
        self,
        rollout: Rollout,
        last: Rollout | None,
        action: Literal["start"] | Action,
        actor: str,
        reason: str,
        evidence: Mapping[str, Any] | None,
    ) -> Rollout:
        """Return a rollout with its change in ``pending``.

        Args:
            rollout: as it is to be.
            last: the rollout before; its changes wait on.
            action: what was done.
            actor: by whom.
            reason: why; white space is joined, and what is too long is cut.
            evidence: what was known; it is shortened if it is too long.

        Raises:
            MediaReviewError: the actor has no name that can be logged.
        """
        moment = self._now()
        if last is not None:
            # Changes stay in order, whatever the clock does.
            moment = max(moment, last.changed_at + timedelta(microseconds=1))
        reason = " ".join(reason.split())[:REASON_CHARACTERS]
        try:
            change = RolloutChange(
                change_id=secrets.token_hex(12),
                rollout=rollout.id,
                sequence=rollout.sequence + 1,
                model=rollout.model,
                version=rollout.candidate.version,
                stable_version=rollout.stable_version,
                action=action,
                phase=rollout.phase,
                traffic_percent=rollout.traffic_percent,
                actor=actor,
                reason=reason,
                evidence=bounded_json(evidence, EVIDENCE_BYTES) if evidence else "",
                occurred_at=moment,
            )
        except ValidationError as error:
            field = ".".join(map(str, error.errors()[0]["loc"]))
            raise MediaReviewError(
                f"The {field} of the change cannot be logged: {error.errors()[0]['msg']}", "Give another one."
            ) from None
        return rollout.model_copy(
            update={
                "sequence": change.sequence,
                "started_at": moment if action == "start" else rollout.started_at,
                "changed_at": moment,
                "reason": reason,
                "pending": (*(last.pending if last else ()), change),
            }
        )

    def deliver(self, name: str, rollout: Rollout, *, strict: bool = False) -> Rollout:
        """Log what is pending; if the log cannot be had, it stays pending, and the change holds in any case.

        Args:
            name: the InferenceService.
            rollout: as it was written or read.
            strict: raise what keeps it from being logged.

        Returns:
            The rollout with what is still pending.

        Raises:
            MediaReviewError: the audit log cannot be written; only if ``strict``.
        """
        if not rollout.pending:
            return rollout
        try:
            self._audit.append(rollout.pending)
        except MediaReviewError as error:
            if strict:
                raise
            logger.warning(
                "The audit log lacks the last %d changes of %s, and gets them from whoever comes next: %s",
                len(rollout.pending), name, error.message,
            )  # fmt: skip
            return rollout
        self._forget(name, {change.change_id for change in rollout.pending})
        return rollout.model_copy(update={"pending": ()})

    def _forget(self, name: str, logged: set[str]) -> None:
        """Take logged changes out of the object; if that fails, whoever comes next does it."""
        try:
            for _ in range(MOST_CONFLICTS):
                service = self._objects.get(name)
                rollout = rollout_of(service)
                waiting = rollout.pending if rollout is not None else ()
                rest = tuple(change for change in waiting if change.change_id not in logged)
                if rollout is None or len(rest) == len(waiting):
                    return
                try:
                    self._objects.replace(with_rollout(service, rollout.model_copy(update={"pending": rest})))
                    return
                except ConflictError:
                    continue
        except (MediaReviewError, OSError) as error:
            logger.warning("%s keeps changes that are logged already: %s", name, error)
