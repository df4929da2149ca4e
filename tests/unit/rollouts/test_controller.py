"""What the controller does in each phase, and that trouble with one rollout or with its eyes makes nothing worse."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest

from mediareview.contracts import RolloutChange
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Access, Kubernetes, Object
from serving.objects import ObjectDirectory
from serving.objects.cluster import ClusterObjects
from serving.objects.store import ObjectStore
from serving.rollouts.audit import AuditLog
from serving.rollouts.controller import COMPLETION_INTERVAL_S, FAILURE_PATIENCE_S, Controller
from serving.rollouts.evidence import Evidence
from serving.rollouts.exposition import Exposition
from serving.rollouts.operations import Rollouts
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import Candidate, Rollout
from serving.rollouts.verdict import Action, Verdict
from tests.kubernetes_api import running

NAME = "sentiment"
PLAN = Plan(traffic_percent=10, step_percent=20, max_percent=50)
CANDIDATE = Candidate(version="2", uri="file:///artifacts/2", predictor="v2")
NOW = datetime.now(UTC).timestamp()


def service(name: str = NAME) -> Object:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name, "labels": {"mediareview.dev/model-version": "1"}},
        "spec": {
            "predictor": {
                "labels": {"mediareview.dev/model-version": "1"},
                "model": {"name": "kserve-container", "modelFormat": {"name": f"mediareview-{name}"},
                          "storageUri": "file:///artifacts/1"},
            }
        },
    }  # fmt: skip


DEPLOYMENT: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": f"{NAME}-v2-predictor", "namespace": "ml"},
    "spec": {"replicas": 1, "template": {"metadata": {"labels": {"mediareview.dev/model-version": "2"}}}},
}


class Log(AuditLog):
    """An audit log in memory, which may be away."""

    def __init__(self) -> None:
        super().__init__(lambda: pytest.fail("the lake is not to be opened"))
        self.changes: dict[str, RolloutChange] = {}
        self.away = False

    def append(self, changes: Iterable[RolloutChange]) -> None:
        if self.away:
            raise MediaReviewError("the lake is away")
        self.changes |= {change.change_id: change for change in changes}

    def history(self, model: str | None = None) -> list[RolloutChange]:
        return list(self.changes.values())

    @property
    def actions(self) -> list[str]:
        return [change.action for change in self.changes.values()]


class Eyes:
    """A source that sees what a test says."""

    def __init__(self) -> None:
        self.blind: tuple[str, ...] = ()
        self.counted = 0
        self.before: Callable[[Rollout], object] = lambda _: None

    def count(self, rollouts: Iterable[Rollout]) -> None:
        self.counted += 1

    def read(self, rollout: Rollout) -> Evidence:
        self.before(rollout)
        return Evidence(datetime.now(UTC), {}, None, None, {}, True, blind=self.blind)


class World:
    """A directory of objects, an audit log, and a controller with a judge who says what a test says."""

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects
        self.log = Log()
        self.wall, self.steady = NOW, 1000.0
        self.rollouts = Rollouts(self.objects, self.log, lambda: datetime.fromtimestamp(self.wall, UTC))
        self.eyes = Eyes()
        self.says: Mapping[str, Verdict | Exception] = {}
        self.exposition = Exposition()
        self.controller = self.another()

    def another(self) -> Controller:
        return Controller(
            self.rollouts, (NAME, "moderation"), self.eyes, self.judge, self.exposition,
            wall=lambda: self.wall, steady=lambda: self.steady,
        )  # fmt: skip

    def judge(self, rollout: Rollout, evidence: Evidence) -> Verdict:
        said = self.says.get(rollout.model, verdict("hold"))
        if isinstance(said, Exception):
            raise said
        return said

    def look(self, seconds: float = 5.0) -> Rollout:
        self.wall += seconds
        self.steady += seconds
        self.controller.look()
        return self.current()

    def current(self, name: str = NAME) -> Rollout:
        found = self.rollouts.current(name)
        assert found is not None
        return found

    def start(self, name: str = NAME) -> None:
        self.objects.apply(service(name))
        self.rollouts.start(name, CANDIDATE, PLAN, "ann@laptop", "it scored better")

    def status(self, name: str = NAME, *, ready: bool = True, reason: str = "") -> None:
        """Write the status that the stand-in would."""
        assert isinstance(self.objects, ObjectDirectory)
        stored = self.objects.get(name)
        condition = {"type": "CanaryPredictorReady", "status": str(ready), "reason": reason, "message": "it is broken"}
        self.objects.update_status(
            name,
            {
                "observedGeneration": stored["metadata"]["generation"],
                "conditions": [condition],
                "canaryStatuses": [{"name": "v2", "ready": ready}],
            },
        )

    def run(self, name: str = NAME) -> None:
        """Start a rollout and let it get its first traffic."""
        self.start(name)
        self.status(name)
        self.look()
        self.status(name)

    def metric(self, name: str) -> str:
        lines = generate_latest(self.exposition.registry).decode().splitlines()
        return next(line.rpartition(" ")[2] for line in lines if line.startswith(name))


def verdict(action: Action, reason: str = "because") -> Verdict:
    return Verdict(action=action, reason=reason)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(ObjectDirectory(tmp_path))


def test_a_candidate_gets_traffic_once_it_is_ready(world: World) -> None:
    world.start()
    assert world.look().phase == "starting"
    world.status(ready=False)
    assert world.look().phase == "starting"
    world.status()
    assert (world.look().phase, world.current().traffic_percent) == ("running", 10)
    assert world.log.actions == ["start", "enter"]
    assert list(world.log.changes.values())[-1].actor == "controller"


def test_a_candidate_that_fails_to_start_again_and_again_is_taken_back(world: World) -> None:
    world.start()
    world.status(ready=False, reason="ModelLoadFailed")
    assert world.look().phase == "starting"
    assert world.look(FAILURE_PATIENCE_S).phase == "rolled_back"
    assert "it is broken" in world.current().reason


def test_a_failure_that_passes_is_forgiven(world: World) -> None:
    world.start()
    world.status(ready=False, reason="ModelLoadFailed")
    world.look()
    world.status(ready=False, reason="Pending")
    world.look(FAILURE_PATIENCE_S)
    world.status(ready=False, reason="ModelLoadFailed")
    assert world.look().phase == "starting"


def test_a_candidate_that_takes_too_long_to_start_is_taken_back(world: World) -> None:
    world.start()
    world.status(ready=False)
    world.look()
    assert world.look(PLAN.ready_timeout_s).phase == "rolled_back"


def test_a_candidate_that_nobody_would_start_is_not_blamed(world: World) -> None:
    world.start()
    world.look()
    assert world.look(PLAN.ready_timeout_s).phase == "starting"


@pytest.mark.parametrize(
    ("action", "phase", "percent"),
    [("step", "running", 30), ("pause", "paused", 10), ("promote", "promoted", 100), ("roll_back", "rolled_back", 0)],
)
def test_it_does_what_the_judge_says_and_says_why(world: World, action: Action, phase: str, percent: int) -> None:
    world.run()
    world.says = {NAME: verdict(action, "the numbers say so")}
    rollout = world.look()
    assert (rollout.phase, rollout.traffic_percent) == (phase, percent)
    change = list(world.log.changes.values())[-1]
    assert (change.action, change.actor, change.reason) == (action, "controller", "the numbers say so")
    assert "the numbers say so" in change.evidence
    assert world.metric(f'mediareview_rollout_changes_total{{action="{action}"') == "1.0"
    assert world.metric(f'mediareview_rollout_phase{{model="{NAME}",phase="{phase}"}}') == "1.0"


def test_a_paused_rollout_is_judged_and_an_ended_one_left_alone(world: World) -> None:
    world.run()
    world.rollouts.pause(NAME, actor="ann", reason="lunch")
    world.says = {NAME: verdict("hold")}
    assert world.look().phase == "paused"
    world.says = {NAME: verdict("roll_back")}
    assert world.look().phase == "rolled_back"
    world.says = {NAME: verdict("promote")}
    assert world.look().phase == "rolled_back"


def test_one_rollout_in_trouble_stops_no_other(world: World) -> None:
    world.run(NAME)
    world.run("moderation")
    world.says = {NAME: ZeroDivisionError("a defect"), "moderation": verdict("step")}
    world.look()
    assert world.current("moderation").traffic_percent == 30
    assert world.metric(f'mediareview_rollout_blind{{model="{NAME}"}}') == "1.0"
    path = world.objects.path / f"{NAME}.yaml"  # type: ignore[attr-defined]
    path.write_text("{")
    world.controller.look()
    assert world.current("moderation").traffic_percent == 50


def test_while_the_log_is_away_safety_does_not_wait_and_nothing_is_forgotten(world: World) -> None:
    world.run()
    world.log.away = True
    world.says = {NAME: verdict("roll_back")}
    assert world.look().phase == "rolled_back"
    assert len(world.current().pending) == 1
    world.log.away = False
    world.look()
    assert world.look(COMPLETION_INTERVAL_S).pending == ()
    assert world.log.actions == ["start", "enter", "roll_back"]


def test_what_changed_while_it_was_judged_is_judged_again(world: World) -> None:
    world.run()
    world.says = {NAME: verdict("step")}
    world.eyes.before = lambda _: world.rollouts.pause(NAME, actor="ann", reason="stop!")
    assert world.look().phase == "paused"
    assert world.log.actions == ["start", "enter", "pause"]


def test_after_the_clock_was_set_nothing_is_decided_for_one_look(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.run()
    world.says = {NAME: verdict("step")}
    world.wall += 3600
    assert world.look().traffic_percent == 10
    assert "The clock was set by +3600 s" in caplog.text
    assert world.look().traffic_percent == 30
    world.status()
    world.wall -= 7200
    assert world.look().traffic_percent == 30


def test_a_look_that_takes_long_is_no_jump_of_the_clock(world: World) -> None:
    world.run()
    world.says = {NAME: verdict("step")}
    assert world.look(seconds=500).traffic_percent == 30


def test_a_decision_is_logged_once_until_its_reason_changes(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.run()
    caplog.clear()
    caplog.set_level(logging.INFO)
    for units in (10, 20, 30):
        world.says = {NAME: verdict("hold", f"waits for {units} of 100 units, 3.5 % failed")}
        world.look()
    assert len(caplog.records) == 1
    world.says = {NAME: verdict("hold", "cannot see")}
    world.eyes.blind = ("Prometheus is away",)
    world.look()
    world.look()
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]
    assert world.metric(f'mediareview_rollout_blind{{model="{NAME}"}}') == "1.0"


def test_calls_are_counted_while_nothing_is_rolled_out(world: World) -> None:
    world.objects.apply(service())
    world.controller.look()
    assert world.eyes.counted == 1


def test_it_ends_at_once_but_for_a_change_that_is_being_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.run()
    world.says = {NAME: verdict("step")}
    append = world.log.append

    def interrupted(changes: Iterable[RolloutChange]) -> None:
        world.controller.stop()  # what a signal handler does in the middle of it
        append(changes)

    monkeypatch.setattr(world.log, "append", interrupted)
    with pytest.raises(SystemExit):
        world.controller.look()
    assert world.current().pending == ()
    assert world.log.actions[-1] == "step"
    with pytest.raises(SystemExit):
        world.controller.stop()


def test_two_controllers_on_a_cluster_make_each_change_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as api:
        objects = ClusterObjects("ml", Kubernetes(Access(api.url, lambda: f"Bearer {api.token}", None)))
        declared = service()
        declared["metadata"]["namespace"] = "ml"
        api.put(declared, status={"canaryStatuses": [{"name": "v2", "ready": True}]})
        api.put(DEPLOYMENT, status={"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1,
                                    "observedGeneration": 1})  # fmt: skip
        world = World(objects)
        world.rollouts.start(NAME, CANDIDATE, PLAN, "ann", "it scored better")
        world.judge = lambda rollout, _: verdict("step" if rollout.traffic_percent < 50 else "promote")  # type: ignore[method-assign]
        controllers = [world.another(), world.another()]
        both = threading.Barrier(2, timeout=10)

        def meet(_: Rollout) -> None:
            with contextlib.suppress(threading.BrokenBarrierError):
                both.wait(1)  # both have read the same rollout and decide now

        world.eyes.before = meet
        for _ in range(8):
            both.reset()
            threads = [threading.Thread(target=controller.look) for controller in controllers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        changes = list(world.log.changes.values())
        assert [change.action for change in changes] == ["start", "enter", "step", "step", "promote"]
        assert [change.sequence for change in changes] == [1, 2, 3, 4, 5]
        assert world.current().phase == "promoted"
