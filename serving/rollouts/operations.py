"""Every change of a rollout: one optimistic write of the InferenceService, then the audit log.

Traffic, plan and the change itself are written together or not at all. The change stays in the annotation's ``pending``
until the log has it (a transactional outbox), so whoever comes next completes what a killed process left.
"""

import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from mediareview.contracts import RolloutChange
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Object
from mediareview.settings import Settings
from serving.objects.store import ConflictError, ObjectStore, open_objects
from serving.rollouts import changes
from serving.rollouts.audit import AuditLog
from serving.rollouts.candidate import CandidateState, look_at_candidate
from serving.rollouts.outbox import MOST_CONFLICTS, Outbox
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import Candidate, Rollout, rollout_of
from serving.rollouts.rules import SAFETY, check, check_circumstances, check_start, is_done, next_percent

logger = logging.getLogger(__name__)

Edit = Callable[[Object, Rollout | None], tuple[Object, Rollout] | None]
"""Takes the InferenceService and its rollout; returns both as they are to be, or None if nothing is to be done."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Rollouts:
    """What can be done to the rollouts of the InferenceServices.

    Each method returns the rollout as it is afterwards. Doing what is done already changes nothing. If the audit log
    cannot be written, the change holds and waits in ``pending`` for whoever comes next.

    Args:
        objects: where the InferenceServices are.
        audit: where changes are logged.
        now: the clock.
    """

    def __init__(self, objects: ObjectStore, audit: AuditLog, now: Callable[[], datetime] = _utc_now) -> None:
        self._objects = objects
        self._audit = audit
        self._now = now
        self._outbox = Outbox(objects, audit, now)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Rollouts":
        """Return those of the cluster or home directory, with the audit log in the lake."""
        return cls(open_objects(settings), AuditLog.from_settings(settings))

    def current(self, name: str) -> Rollout | None:
        """Return the last rollout of an InferenceService, under way or ended; None if there never was one.

        Raises:
            MissingError: there is no such InferenceService.
            MediaReviewError: the objects, or the annotation, cannot be read.
        """
        return rollout_of(self._objects.get(name))

    def candidate_state(self, name: str) -> CandidateState:
        """Return whether the candidate of an InferenceService answers.

        Raises:
            MediaReviewError: the objects cannot be read.
        """
        return look_at_candidate(self._objects, name)

    def history(self, name: str) -> list[RolloutChange]:
        """Return all changes, oldest first, those included that wait for the audit log.

        Raises:
            MediaReviewError: the log or the objects cannot be read.
        """
        # First what is pending: read the other way round, a change could leave for the log unseen.
        rollout = self.current(name)
        logged = self._audit.history(name)
        known = {change.change_id for change in logged}
        return [*logged, *(change for change in (rollout.pending if rollout else ()) if change.change_id not in known)]

    def why_rolled_back(self, name: str, version: str) -> str | None:
        """Return why the last rollout of a version was rolled back; None if it was not.

        While the audit log cannot be read, only the very last rollout is known.

        Raises:
            MediaReviewError: the objects cannot be read.
        """
        last = self.current(name)
        ends = [(last.candidate.version, last.phase, last.reason)] if last is not None else []
        try:
            logged = self._audit.history(name)
        except MediaReviewError as error:
            logger.warning("Earlier rollouts of %s are not known: %s", name, error.message)
            logged = []
        ends += [(change.version, change.phase, change.reason) for change in reversed(logged)]
        phase, why = next(
            (end[1:] for end in ends if end[0] == version and end[1] in ("promoted", "rolled_back")), ("", "")
        )
        return (why or "no reason was given") if phase == "rolled_back" else None

    def start(
        self, name: str, candidate: Candidate, plan: Plan, actor: str, reason: str, *, again: bool = False
    ) -> Rollout:
        """Put a candidate beside what is served, without traffic yet.

        Args:
            name: the InferenceService.
            candidate: what is to be rolled out; its artifact was checked.
            plan: how.
            actor: who does it.
            reason: why.
            again: also if this version was rolled back before.

        Raises:
            MissingError: there is no such InferenceService.
            MediaReviewError: it may not be started; nothing has changed.
        """
        identity = f"{name}-{candidate.predictor}-{secrets.token_hex(4)}"

        def edit(service: Object, last: Rollout | None) -> tuple[Object, Rollout] | None:
            if last is not None and last.active and (last.candidate, last.plan) == (candidate, plan):
                return None
            check_start(service, last, candidate, plan)
            why = None if again else self.why_rolled_back(name, candidate.version)
            if why is not None:
                raise MediaReviewError(
                    f"{name} version {candidate.version} was rolled back before: {why}",
                    "If it deserves another try, start it with --again.",
                )
            stable, version = changes.stable_of(service)
            moment = self._now()
            rollout = Rollout(
                id=identity,
                model=name,
                candidate=candidate,
                stable_version=version,
                stable_predictor=stable,
                plan=plan,
                phase="starting",
                traffic_percent=0,
                sequence=0,
                started_at=moment,
                changed_at=moment,
                reason=reason,
            )
            return changes.with_canary(service, candidate), rollout

        return self._change(name, "start", actor, reason, None, edit)

    def enter(
        self, name: str, *, actor: str, reason: str, evidence: Mapping[str, Any] | None = None,
        seen: Rollout | None = None,
    ) -> Rollout:  # fmt: skip
        """Give a candidate that is ready its first traffic; in shadow mode begin to send it copies."""
        return self._act(name, "enter", actor, reason, evidence, seen)

    def step(
        self, name: str, *, actor: str, reason: str, evidence: Mapping[str, Any] | None = None,
        seen: Rollout | None = None,
    ) -> Rollout:  # fmt: skip
        """Give the candidate its next share of the traffic."""
        return self._act(name, "step", actor, reason, evidence, seen)

    def pause(
        self, name: str, *, actor: str, reason: str, evidence: Mapping[str, Any] | None = None,
        seen: Rollout | None = None,
    ) -> Rollout:  # fmt: skip
        """Keep traffic as it is until somebody resumes; in shadow mode send no more copies."""
        return self._act(name, "pause", actor, reason, evidence, seen)

    def resume(
        self, name: str, *, actor: str, reason: str, evidence: Mapping[str, Any] | None = None,
        seen: Rollout | None = None,
    ) -> Rollout:  # fmt: skip
        """Let a paused rollout go on."""
        return self._act(name, "resume", actor, reason, evidence, seen)

    def promote(
        self, name: str, *, actor: str, reason: str, evidence: Mapping[str, Any] | None = None,
        seen: Rollout | None = None, force: bool = False,
    ) -> Rollout:  # fmt: skip
        """Make the candidate what is served; its predictor goes on as it is."""
        return self._act(name, "promote", actor, reason, evidence, seen, force=force)

    def roll_back(
        self, name: str, *, actor: str, reason: str, evidence: Mapping[str, Any] | None = None,
        seen: Rollout | None = None,
    ) -> Rollout:  # fmt: skip
        """Take the candidate back."""
        return self._act(name, "roll_back", actor, reason, evidence, seen)

    def complete(self, name: str) -> Rollout | None:
        """Log the changes that wait for the audit log, as a killed process or a lake that was away left them.

        Raises:
            MissingError: there is no such InferenceService.
            MediaReviewError: the audit log cannot be written, or the objects cannot be read.
        """
        rollout = self.current(name)
        if rollout is None or not rollout.pending:
            return rollout
        return self._outbox.deliver(name, rollout, strict=True)

    def _act(
        self,
        name: str,
        action: changes.Action,
        actor: str,
        reason: str,
        evidence: Mapping[str, Any] | None,
        seen: Rollout | None,
        *,
        force: bool = False,
    ) -> Rollout:
        """Take an action on the rollout under way.

        Args:
            name: the InferenceService.
            action: what to do.
            actor: who does it.
            reason: why.
            evidence: what it was decided on.
            seen: the rollout that was looked at when it was decided.
            force: see ``rules.check``.

        Raises:
            MissingError: there is no such InferenceService.
            ConflictError: the rollout is no longer ``seen``.
            MediaReviewError: it may not be done; nothing has changed.
        """
        identity: str | None = seen.id if seen else None
        goal_percent: int | None = None
        tried = False

        def edit(service: Object, last: Rollout | None) -> tuple[Object, Rollout] | None:
            nonlocal identity, goal_percent, tried
            if last is None:
                raise MediaReviewError(
                    f"{name} has no rollout.", f"Start one: mediareview rollout start {name} --version VERSION"
                )
            if identity is None:
                identity = last.id
            if identity == last.id and is_done(action, last, goal_percent):
                return None
            # The write of a call that was repeated on its way may have come through the first time.
            if tried and action == "resume" and identity == last.id and last.phase in ("starting", "running"):
                return None
            if identity != last.id or (seen is not None and seen.sequence != last.sequence):
                raise ConflictError(
                    f"The rollout of {name} is no longer what it was when this was decided.",
                    f"Look again: mediareview rollout status {name}",
                )
            check(action, last, service, force=force)
            if goal_percent is None:
                goal_percent = next_percent(last) if action == "step" else None
            tried = True
            return changes.after(action, service, last, goal_percent)

        return self._change(name, action, actor, reason, evidence, edit)

    def _change(
        self,
        name: str,
        action: Literal["start"] | changes.Action,
        actor: str,
        reason: str,
        evidence: Mapping[str, Any] | None,
        edit: Edit,
    ) -> Rollout:
        for _ in range(MOST_CONFLICTS):
            service = self._objects.get(name)
            last = rollout_of(service)
            edited = edit(service, last)
            if edited is None and last is not None:
                return self._outbox.deliver(name, last)
            if edited is None:
                raise RuntimeError(f"{action} finds nothing to do on {name}, which has no rollout")
            if action not in SAFETY:
                check_circumstances(name, last, self._now())
            wanted, rollout = edited
            rollout = self._outbox.put(rollout, last, action, actor, reason, evidence)
            try:
                self._objects.replace(changes.with_rollout(wanted, rollout))
            except ConflictError:
                continue
            return self._outbox.deliver(name, rollout)
        raise ConflictError(
            f"{name} is being changed by others all the time: {action} was not done.", "Try again in a moment."
        )
