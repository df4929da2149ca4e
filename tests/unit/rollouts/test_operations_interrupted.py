"""Whoever is killed at any write, and whoever interferes: object and log agree, and each change is there once."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mediareview import kubernetes
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Access, Kubernetes
from mediareview.lake import Lake
from serving.objects import ConflictError, ObjectDirectory, ObjectStore
from serving.objects.cluster import ClusterObjects
from serving.rollouts.audit import AuditLog
from serving.rollouts.operations import Rollouts
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import Candidate, Rollout
from tests.kubernetes_api import running
from tests.rollout_world import (
    BUILT,
    CANDIDATE,
    NAME,
    Interference,
    Killed,
    MemoryLog,
    WatchedLog,
    WatchedStore,
    disagreements,
    label,
    status_of,
)

PLAN = Plan(traffic_percent=10, step_percent=20, max_percent=50)
WHO = {"actor": "ana", "reason": ""}

OPERATIONS: dict[str, Callable[[Rollouts], Any]] = {
    "start": lambda rollouts: rollouts.start(NAME, CANDIDATE, PLAN, "ana", "", again=True),
    "enter": lambda rollouts: rollouts.enter(NAME, **WHO),
    "step": lambda rollouts: rollouts.step(NAME, **WHO),
    "pause": lambda rollouts: rollouts.pause(NAME, **WHO),
    "resume": lambda rollouts: rollouts.resume(NAME, **WHO),
    "promote": lambda rollouts: rollouts.promote(NAME, **WHO),
    "roll_back": lambda rollouts: rollouts.roll_back(NAME, **WHO),
}
BEFORE = {
    "start": [],
    "enter": ["start"],
    "step": ["start", "enter"],
    "pause": ["start", "enter"],
    "resume": ["start", "enter", "pause"],
    "promote": ["start", "enter"],
    "roll_back": ["start", "enter"],
}
AFTER = {"start": "starting", "enter": "running", "step": "running", "pause": "paused", "resume": "running",
         "promote": "promoted", "roll_back": "rolled_back"}  # fmt: skip


@pytest.fixture(params=["directory", "cluster"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[ObjectStore, Callable[[], object]]]:
    """A store, and what makes everything in it ready."""
    if request.param == "directory":
        directory = ObjectDirectory(tmp_path / "objects")
        directory.apply(BUILT)
        yield directory, lambda: directory.update_status(NAME, status_of(directory.get(NAME)))
        return
    monkeypatch.setattr(kubernetes, "RETRY_DELAYS_S", (0.0,))
    with running() as server:
        objects = ClusterObjects("ml", Kubernetes(Access(server.url, lambda: f"Bearer {server.token}", None)))
        server.put({**BUILT, "metadata": {**BUILT["metadata"], "namespace": "ml"}})
        resource = ("serving.kserve.io/v1beta1", "inferenceservices", "ml", NAME)
        yield objects, lambda: server.set_status(*resource, status_of(objects.get(NAME)))


@pytest.mark.parametrize("write", [1, 2, 3])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_killed_at_any_write_whoever_comes_next_completes_it(
    store: tuple[ObjectStore, Callable[[], object]], tmp_path: Path, operation: str, when: str, write: int
) -> None:
    objects, make_ready = store
    log = AuditLog(Lake((tmp_path / "lake").as_uri()))
    for earlier in BEFORE[operation]:
        OPERATIONS[earlier](Rollouts(objects, log))
        make_ready()
    interference = Interference()
    interference.at[write] = (when, _die)
    with pytest.raises(Killed):
        OPERATIONS[operation](Rollouts(WatchedStore(objects, interference), WatchedLog(log, interference)))

    survivor = Rollouts(objects, log)
    survivor.complete(NAME)
    assert disagreements(objects.get(NAME), log.history(NAME)) == []
    happened = [change.action for change in log.history(NAME)]
    assert happened == [*BEFORE[operation], *([] if (when, write) == ("before", 1) else [operation])]
    if operation != "step" and not (operation == "resume" and happened[-1] == "resume"):
        # Who does not know how far it came does it again.
        assert OPERATIONS[operation](survivor).phase == AFTER[operation]
        assert [change.action for change in log.history(NAME)] == [*BEFORE[operation], operation]


def _die() -> None:
    raise Killed


@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_an_answer_that_was_lost_on_its_way_makes_no_second_change(tmp_path: Path, operation: str) -> None:
    """The client repeats a write whose answer it did not get; the server then says that the object has changed."""
    objects, log = ObjectDirectory(tmp_path), MemoryLog()
    objects.apply(BUILT)
    for earlier in BEFORE[operation]:
        OPERATIONS[earlier](Rollouts(objects, log))
        objects.update_status(NAME, status_of(objects.get(NAME)))
    interference = Interference()
    interference.at[1] = ("after", _conflict)
    OPERATIONS[operation](Rollouts(WatchedStore(objects, interference), log))
    assert [change.action for change in log.history()] == [*BEFORE[operation], operation]
    assert disagreements(objects.get(NAME), log.history()) == []


def _conflict() -> None:
    raise ConflictError("It was changed by somebody else.")


class Actors(RuleBasedStateMachine):
    """Two who act on what they saw, in any order, disturbed by others, by kills, clocks and a log that is away."""

    @initialize()
    def begin(self) -> None:
        self.directory = TemporaryDirectory()
        self.objects = ObjectDirectory(Path(self.directory.name))
        self.objects.apply(BUILT)
        self.log = MemoryLog()
        self.now = datetime(2026, 11, 1, tzinfo=UTC)
        self.seen: dict[str, Rollout | None] = {"ana": None, "bo": None}
        self.sequence: dict[str, int] = {}
        self.versions = 1

    def teardown(self) -> None:
        self.directory.cleanup()

    def _rollouts(self, interference: Interference) -> Rollouts:
        store, log = WatchedStore(self.objects, interference), WatchedLog(self.log, interference)
        return Rollouts(store, log, lambda: self.now)

    @rule(seconds=st.floats(-400, 4000))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def the_predictors_become_ready(self) -> None:
        self.objects.update_status(NAME, status_of(self.objects.get(NAME)))

    @rule(away=st.booleans())
    def the_lake_goes_or_comes(self, away: bool) -> None:
        self.log.away = away

    @rule(who=st.sampled_from(["ana", "bo"]))
    def somebody_looks(self, who: str) -> None:
        self.seen[who] = Rollouts(self.objects, self.log).current(NAME)

    @rule(
        who=st.sampled_from(["ana", "bo"]),
        mode=st.sampled_from(["canary", "ab", "shadow"]),
        percent=st.integers(1, 50),
        again=st.booleans(),
        same=st.booleans(),
        trouble=st.tuples(st.integers(0, 4), st.sampled_from(["before", "after"]), st.booleans()),
    )
    def somebody_starts(
        self, who: str, mode: Any, percent: int, again: bool, same: bool, trouble: tuple[int, str, bool]
    ) -> None:
        self.versions += not same
        candidate = Candidate(version=str(self.versions), uri=f"file:///{self.versions}", predictor=f"v{self.versions}")
        plan = Plan(mode=mode, traffic_percent=percent)
        self._try(trouble, lambda rollouts: rollouts.start(NAME, candidate, plan, who, "", again=again))

    @rule(
        who=st.sampled_from(["ana", "bo"]),
        action=st.sampled_from(["enter", "step", "step", "pause", "resume", "promote", "roll_back"]),
        blindly=st.booleans(),
        trouble=st.tuples(st.integers(0, 4), st.sampled_from(["before", "after"]), st.booleans()),
    )
    def somebody_acts(self, who: str, action: str, blindly: bool, trouble: tuple[int, str, bool]) -> None:
        seen = None if blindly else self.seen[who]
        self._try(trouble, lambda rollouts: getattr(rollouts, action)(NAME, actor=who, reason=action, seen=seen))

    def _try(self, trouble: tuple[int, str, bool], act: Callable[[Rollouts], object]) -> None:
        write, when, kills = trouble
        interference = Interference()
        if write:
            interference.at[write] = (when, _die if kills else lambda: label(self.objects, "touched", str(self.now)))
        with suppress(MediaReviewError, Killed):
            act(self._rollouts(interference))

    @precondition(lambda self: hasattr(self, "log") and not self.log.away)
    @rule()
    def somebody_completes(self) -> None:
        Rollouts(self.objects, self.log).complete(NAME)
        assert disagreements(self.objects.get(NAME), self.log.history()) == []

    @invariant()
    def traffic_and_rollout_agree_at_every_moment(self) -> None:
        if not hasattr(self, "objects"):
            return
        service = self.objects.get(NAME)
        rollout = Rollouts(self.objects, self.log).current(NAME)
        changes = {
            change.change_id: change for change in (*self.log.changes.values(), *(rollout.pending if rollout else ()))
        }
        told = sorted(changes.values(), key=lambda change: change.occurred_at)
        found = [item for item in disagreements(service, told) if "are pending" not in item]
        assert found == []
        if rollout is not None:
            assert rollout.sequence >= self.sequence.get(rollout.id, 0)
            self.sequence[rollout.id] = rollout.sequence


TestActors = Actors.TestCase
TestActors.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
