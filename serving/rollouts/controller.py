"""Lets rollouts go on by themselves: looks at each, has it judged, and does what the judge says.

It remembers nothing that matters. What is under way stands in the objects, each change is made whole or not at all, and
is made only if the rollout is still the one that was judged: it may be killed at any moment, and two of them may run.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from serving.objects import ConflictError, MissingError
from serving.rollouts.evidence import Evidence
from serving.rollouts.exposition import Exposition
from serving.rollouts.operations import Rollouts
from serving.rollouts.rollout import Rollout
from serving.rollouts.verdict import Verdict

logger = logging.getLogger(__name__)

ACTOR = "controller"
JUMP_S = 60.0
"""By how much the clock may be set between two looks before it is no longer trusted for one."""
FAILURE_PATIENCE_S = 15.0
"""How long a candidate may fail to start before it is taken back: the first attempt may have met with bad luck."""
COMPLETION_INTERVAL_S = 30.0
"""How long an audit log that cannot be written is left alone."""


class Source(Protocol):
    """Where evidence comes from."""

    def count(self, rollouts: Iterable[Rollout]) -> None:
        """Note the calls so far."""

    def read(self, rollout: Rollout) -> Evidence:
        """Return what is known of a rollout now."""


Judge = Callable[[Rollout, Evidence], Verdict]


class Controller:
    """Looks at the rollouts of some InferenceServices, again and again.

    Args:
        rollouts: what can be done to them.
        names: of the InferenceServices.
        source: where evidence comes from.
        judge: says what is to be done.
        exposition: shows what it does.
        wall: seconds of the clock by which events are dated.
        steady: seconds of a clock that nobody sets.
    """

    def __init__(
        self,
        rollouts: Rollouts,
        names: Iterable[str],
        source: Source,
        judge: Judge,
        exposition: Exposition,
        *,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rollouts = rollouts
        self._names = tuple(names)
        self._source = source
        self._judge = judge
        self._exposition = exposition
        self._wall = wall
        self._steady = steady
        self._clocks: tuple[float, float] | None = None
        self._told: dict[str, str] = {}
        self._failing_since: dict[str, float] = {}
        self._complete_at = 0.0
        self._acting = False
        self._stopping = False

    def run(self, every_s: float) -> None:
        """Look at all rollouts again and again, until ``stop`` is called.

        Args:
            every_s: seconds between the beginnings of two looks.
        """
        while not self._stopping:
            started = self._steady()
            self.look()
            time.sleep(max(0.0, every_s - (self._steady() - started)))

    def stop(self) -> None:
        """End at once, but for a change that is being made: that is finished. To be called by a signal handler.

        Raises:
            SystemExit: nothing is being changed.
        """
        self._stopping = True
        if not self._acting:
            raise SystemExit(0)

    def look(self) -> None:
        """Look at each rollout once. Trouble with one is told, and keeps nobody from looking at the others."""
        set_by_s = self._set_by_s()
        if set_by_s:
            logger.warning("The clock was set by %+.0f s: this time nothing is decided", set_by_s)
        current = {name: rollout for name in self._names if (rollout := self._current(name)) is not None}
        self._source.count([rollout for rollout in current.values() if rollout.active])
        for name, rollout in current.items():
            try:
                self._look_at(name, rollout, decide=not set_by_s)
            except ConflictError:
                continue  # somebody was faster, and it is looked at anew
            except Exception as error:
                self._exposition.blind(name, True)
                self._tell(name, f"cannot go on: {error}", logging.ERROR)
        # Safety does not wait for the log, whose lake may take its time to fail.
        for name in current:
            self._complete(name)
        self._exposition.looked(self._wall())

    def _current(self, name: str) -> Rollout | None:
        try:
            rollout = self._rollouts.current(name)
        except MissingError:
            rollout = None
            self._exposition.blind(name, False)
        except Exception as error:
            self._exposition.blind(name, True)
            self._tell(name, f"cannot be read: {error}", logging.ERROR)
            return None
        self._exposition.stands(name, rollout)
        return rollout

    def _complete(self, name: str) -> None:
        """Log what a killed process, or a lake that was away, left to be logged."""
        if self._steady() < self._complete_at:
            return
        try:
            self._rollouts.complete(name)
        except Exception as error:
            # What was done is not lost.
            self._complete_at = self._steady() + COMPLETION_INTERVAL_S
            logger.warning("Changes of %s wait for the audit log: %s", name, error)

    def _look_at(self, name: str, rollout: Rollout, *, decide: bool) -> None:
        if rollout.phase == "starting" and decide:
            self._await_candidate(name, rollout)
        elif rollout.phase in ("running", "paused"):
            # A paused candidate has users as well, and is taken back if it harms them.
            evidence = self._source.read(rollout)
            self._exposition.blind(name, bool(evidence.blind))
            verdict = self._judge(rollout, evidence)
            if verdict.action == "hold" or not decide:
                self._tell(name, f"holds: {verdict.reason}", logging.WARNING if evidence.blind else logging.INFO)
                return
            self._act(name, verdict.action, verdict.reason, rollout, {"verdict": verdict.model_dump(mode="json")})
        else:
            self._exposition.blind(name, False)

    def _await_candidate(self, name: str, rollout: Rollout) -> None:
        state = self._rollouts.candidate_state(name)
        self._exposition.blind(name, False)
        if not state.failed:
            self._failing_since.pop(name, None)
        if state.ready:
            self._act(name, "enter", "the candidate is ready", rollout)
            return
        now = self._steady()
        failing_s = now - self._failing_since.setdefault(name, now) if state.failed else 0.0
        waited_s = (datetime.fromtimestamp(self._wall(), UTC) - rollout.changed_at).total_seconds()
        if failing_s >= FAILURE_PATIENCE_S:
            self._act(name, "roll_back", f"the candidate does not start: {state.message}", rollout)
        elif state.running and waited_s > rollout.plan.ready_timeout_s:
            reason = f"the candidate was not ready after {rollout.plan.ready_timeout_s:.0f} s: {state.message}"
            self._act(name, "roll_back", reason, rollout)
        else:
            self._tell(name, f"waits for the candidate: {state.message}")

    def _act(
        self,
        name: str,
        action: str,
        reason: str,
        seen: Rollout,
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        # The judge's actions are called as the operations are.
        take: Callable[..., Rollout] = getattr(self._rollouts, action)
        with self._whole():
            done = take(name, actor=ACTOR, reason=reason, evidence=evidence, seen=seen)
        self._failing_since.pop(name, None)
        self._exposition.changed(name, action)
        self._exposition.stands(name, done)
        self._told.pop(name, None)
        logger.info(
            "%s version %s: %s, %d %% of the traffic, now %s: %s",
            name, done.candidate.version, action.replace("_", " "), done.traffic_percent, done.phase, reason,
        )  # fmt: skip

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Put off the end of the process until a change has been made in object and log."""
        self._acting = True
        try:
            yield
        finally:
            self._acting = False
        if self._stopping:
            raise SystemExit(0)

    def _set_by_s(self) -> float:
        """Return by how much the clock was set since the last look, in seconds; 0 if not by much."""
        now = self._wall(), self._steady()
        before, self._clocks = self._clocks, now
        if before is None:
            return 0.0
        set_by_s = (now[0] - before[0]) - (now[1] - before[1])
        return set_by_s if abs(set_by_s) > JUMP_S else 0.0

    def _tell(self, name: str, message: str, level: int = logging.INFO) -> None:
        """Log what is new; that numbers have changed is not."""
        gist = re.sub(r"\d+([.,]\d+)*", "#", message)
        if self._told.get(name) != gist:
            self._told[name] = gist
            logger.log(level, "%s %s", name, message)
