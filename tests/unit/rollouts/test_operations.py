"""Changes of a rollout: what they do, what they refuse in words, and that doing them twice changes nothing."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mediareview import kubernetes
from mediareview.contracts import RolloutChange
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Access, Kubernetes, Object
from serving.objects import ConflictError, MissingError, ObjectDirectory, ObjectStore
from serving.objects.cluster import ClusterObjects
from serving.rollouts.changes import with_rollout
from serving.rollouts.operations import Rollouts
from serving.rollouts.outbox import EVIDENCE_BYTES
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import ANNOTATION, Candidate, Rollout
from serving.rollouts.rules import MOST_PENDING
from tests.kubernetes_api import running
from tests.rollout_world import (
    BUILT,
    CANDIDATE,
    NAME,
    Interference,
    MemoryLog,
    WatchedLog,
    WatchedStore,
    disagreements,
    label,
    status_of,
)

PLAN = Plan(traffic_percent=10, step_percent=25, max_percent=50)
WHO = {"actor": "ana", "reason": "why not"}


class World:
    """A store with one InferenceService, whose controller makes everything ready at once."""

    def __init__(self, objects: ObjectStore, make_ready: Callable[[], None]) -> None:
        self.interference = Interference()
        self.objects = WatchedStore(objects, self.interference)
        self.log = MemoryLog()
        self.now = datetime(2026, 11, 1, 12, tzinfo=UTC)
        self.rollouts = Rollouts(self.objects, self.log, lambda: self.now)
        self.make_ready = make_ready

    def start(self, plan: Plan = PLAN, candidate: Candidate = CANDIDATE, **options: Any) -> Rollout:
        rollout = self.rollouts.start(NAME, candidate, plan, "ana", "why not", **options)
        self.make_ready()
        return rollout

    def run(self, plan: Plan = PLAN) -> Rollout:
        self.start(plan)
        return self.rollouts.enter(NAME, **WHO)

    def service(self) -> Object:
        return self.objects.get(NAME)

    def current(self) -> Rollout:
        rollout = self.rollouts.current(NAME)
        assert rollout is not None
        return rollout

    def traffic(self) -> list[tuple[str, int]]:
        return [
            (entry["predictor"]["name"], entry["trafficPercent"]) for entry in self.service()["spec"].get("canary", [])
        ]

    def actions(self) -> list[str]:
        return [change.action for change in self.log.history()]

    def edit(self, change: Callable[[Object], None]) -> None:
        service = self.service()
        change(service)
        self.objects.objects.replace(service)


@pytest.fixture(params=["directory", "cluster"])
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    if request.param == "directory":
        directory = ObjectDirectory(tmp_path)
        directory.apply(BUILT)
        directory.update_status(NAME, status_of(directory.get(NAME)))
        yield World(directory, lambda: bool(directory.update_status(NAME, status_of(directory.get(NAME)))) or None)
        return
    monkeypatch.setattr(kubernetes, "RETRY_DELAYS_S", (0.0,))
    with running() as server:
        objects = ClusterObjects("ml", Kubernetes(Access(server.url, lambda: f"Bearer {server.token}", None)))
        server.put({**BUILT, "metadata": {**BUILT["metadata"], "namespace": "ml"}})
        resource = ("serving.kserve.io/v1beta1", "inferenceservices", "ml", NAME)
        yield World(objects, lambda: server.set_status(*resource, status_of(objects.get(NAME))))


def test_a_rollout_goes_from_no_traffic_to_all_of_it_and_the_log_tells_it(world: World) -> None:
    started = world.start()
    assert (started.phase, world.traffic()) == ("starting", [("v2", 0)])
    assert world.rollouts.enter(NAME, **WHO).phase == "running"
    assert world.traffic() == [("v2", 10)]
    assert [world.rollouts.step(NAME, **WHO).traffic_percent for _ in range(2)] == [35, 50]
    world.rollouts.pause(NAME, **WHO)
    assert world.traffic() == [("v2", 50)]
    world.rollouts.resume(NAME, **WHO)
    promoted = world.rollouts.promote(NAME, **WHO, evidence={"effect": 0.25, "low": float("nan")})
    assert (promoted.phase, promoted.traffic_percent, promoted.pending) == ("promoted", 100, ())
    predictor = world.service()["spec"]["predictor"]
    assert (predictor["name"], predictor["model"]["storageUri"]) == ("v2", "file:///models/2")
    assert world.actions() == ["start", "enter", "step", "step", "pause", "resume", "promote"]
    last = world.log.history()[-1]
    assert (last.actor, last.reason, last.evidence) == ("ana", "why not", '{"effect":0.25,"low":null}')
    assert (last.version, last.stable_version) == ("2", "1")
    assert disagreements(world.service(), world.log.history()) == []


def test_rolling_back_leaves_what_was_served(world: World) -> None:
    before = world.service()["spec"]
    world.run()
    rollout = world.rollouts.roll_back(NAME, **WHO)
    assert (rollout.phase, rollout.traffic_percent) == ("rolled_back", 0)
    assert world.service()["spec"] == before
    assert world.rollouts.current(NAME) == rollout


@pytest.mark.parametrize("action", ["enter", "pause", "promote", "roll_back"])
def test_doing_what_is_done_changes_nothing(world: World, action: str) -> None:
    world.run()
    first = getattr(world.rollouts, action)(NAME, **WHO)
    before, writes = world.service(), world.interference.writes
    assert getattr(world.rollouts, action)(NAME, actor="bo", reason="again") == first
    assert (world.service(), world.interference.writes) == (before, writes)


def test_starting_what_was_started_changes_nothing(world: World) -> None:
    first = world.start()
    assert world.start() == first
    assert world.actions() == ["start"]


def test_in_ab_mode_traffic_stays_as_it_is(world: World) -> None:
    world.run(Plan(mode="ab", traffic_percent=50))
    assert world.traffic() == [("v2", 50)]
    with pytest.raises(MediaReviewError, match="in ab mode, in which traffic stays"):
        world.rollouts.step(NAME, **WHO)


def test_in_shadow_mode_no_user_gets_the_candidate_and_only_force_promotes_it(world: World) -> None:
    assert world.run(Plan(mode="shadow", traffic_percent=30)).phase == "running"
    assert world.traffic() == [("v2", 0)]
    with pytest.raises(MediaReviewError, match="shadow mode: no user has seen"):
        world.rollouts.promote(NAME, **WHO)
    assert world.rollouts.promote(NAME, **WHO, force=True).phase == "promoted"


def refused(world: World, do: Callable[[], object], words: str) -> None:
    """See that something is refused in words, and that nothing has changed."""
    before = world.service()
    with pytest.raises(MediaReviewError, match=words) as error:
        do()
    assert error.value.hint
    assert world.service() == before


def test_a_second_rollout_on_a_busy_service_is_refused(world: World) -> None:
    world.run()
    other = Candidate(version="3", uri="file:///models/3", predictor="v3")
    refused(world, lambda: world.start(candidate=other), "busy: sentiment version 2 is running at 10 %")
    refused(world, lambda: world.start(Plan(traffic_percent=20)), "busy")


def test_what_is_served_already_is_no_candidate(world: World) -> None:
    served = Candidate(version="1", uri="file:///models/1", predictor="v1")
    refused(world, lambda: world.start(candidate=served), "version 1 is what is served")


def test_a_service_that_serves_nothing_yet_has_nothing_to_compare_with(world: World) -> None:
    world.edit(lambda service: service["spec"]["predictor"]["model"].pop("storageUri"))
    refused(world, world.start, "serves nothing yet")


def test_a_service_that_does_not_exist_is_named(world: World) -> None:
    with pytest.raises(MissingError, match="nothing-of-that-name"):
        world.rollouts.start("nothing-of-that-name", CANDIDATE, PLAN, "ana", "")


def test_a_canary_that_somebody_wrote_by_hand_is_left_alone(world: World) -> None:
    canary = {"trafficPercent": 20, "predictor": {"name": "mine"}}
    world.edit(lambda service: service["spec"].update(canary=[canary]))
    refused(world, world.start, "a canary that no rollout made: mine with 20 %")


def test_after_a_change_by_hand_only_pause_and_rollback_work(world: World) -> None:
    world.run()
    world.edit(lambda service: service["spec"]["canary"][0].update(trafficPercent=80))
    refused(world, lambda: world.rollouts.step(NAME, **WHO), "changed by hand: it holds v2 with 80 %")
    refused(world, lambda: world.rollouts.promote(NAME, **WHO), "changed by hand")
    assert world.rollouts.pause(NAME, **WHO).phase == "paused"
    assert world.rollouts.roll_back(NAME, **WHO).phase == "rolled_back"
    assert world.traffic() == []


def test_an_ended_rollout_cannot_be_changed(world: World) -> None:
    refused(world, lambda: world.rollouts.pause(NAME, **WHO), "has no rollout")
    world.run()
    world.rollouts.roll_back(NAME, **WHO)
    for action in ("enter", "step", "pause", "resume", "promote"):
        refused(world, lambda action=action: getattr(world.rollouts, action)(NAME, **WHO), "has ended")


def test_what_is_not_paused_cannot_be_resumed_and_what_is_paused_goes_no_step(world: World) -> None:
    world.run()
    refused(world, lambda: world.rollouts.resume(NAME, **WHO), "cannot be resumed")
    world.rollouts.pause(NAME, **WHO)
    refused(world, lambda: world.rollouts.step(NAME, **WHO), "is paused at 10 %: it cannot be given more traffic")
    refused(world, lambda: world.rollouts.enter(NAME, **WHO), "is paused")


def test_there_is_no_step_beyond_the_maximum(world: World) -> None:
    world.run()
    world.rollouts.step(NAME, **WHO)
    world.rollouts.step(NAME, **WHO)
    refused(world, lambda: world.rollouts.step(NAME, **WHO), "at 50 %, its greatest share")


def test_a_candidate_that_does_not_answer_gets_no_users(world: World) -> None:
    world.rollouts.start(NAME, CANDIDATE, PLAN, "ana", "")
    refused(world, lambda: world.rollouts.enter(NAME, **WHO), "version 2 does not answer")
    refused(world, lambda: world.rollouts.promote(NAME, **WHO, force=True), "version 2 does not answer")


def test_a_candidate_without_traffic_is_promoted_by_force_only(world: World) -> None:
    world.start()
    refused(world, lambda: world.rollouts.promote(NAME, **WHO), "took no traffic")
    assert world.rollouts.promote(NAME, **WHO, force=True).phase == "promoted"


def test_a_pause_before_the_first_traffic_ends_where_it_began(world: World) -> None:
    world.start()
    world.rollouts.pause(NAME, **WHO)
    assert world.rollouts.resume(NAME, **WHO).phase == "starting"
    assert world.rollouts.enter(NAME, **WHO).traffic_percent == 10


def test_what_was_rolled_back_is_started_again_only_if_it_is_meant(world: World) -> None:
    first = world.run()
    world.rollouts.roll_back(NAME, actor="ana", reason="slow")
    refused(world, world.start, "was rolled back before: slow")
    second = world.start(again=True)
    assert second.id != first.id
    world.rollouts.roll_back(NAME, **WHO)
    other = Candidate(version="3", uri="file:///models/3", predictor="v3")
    world.start(candidate=other)
    world.rollouts.roll_back(NAME, **WHO)
    refused(world, world.start, "was rolled back before")  # as the log knows
    assert world.rollouts.why_rolled_back(NAME, "4") is None


def test_somebody_elses_change_in_between_is_kept(world: World) -> None:
    world.run()
    write = world.interference.writes + 1
    world.interference.at[write] = ("before", lambda: label(world.objects.objects, "team", "ranking"))
    assert world.rollouts.step(NAME, **WHO).traffic_percent == 35
    assert world.service()["metadata"]["labels"]["team"] == "ranking"
    assert world.actions() == ["start", "enter", "step"]


def test_two_who_step_at_once_make_one_step(world: World) -> None:
    world.run()
    write = world.interference.writes + 1
    other = Rollouts(world.objects.objects, world.log)
    world.interference.at[write] = ("before", lambda: bool(other.step(NAME, actor="bo", reason="")) or None)
    assert world.rollouts.step(NAME, **WHO).traffic_percent == 35
    assert world.actions() == ["start", "enter", "step"]


def test_who_decided_on_another_state_is_told(world: World) -> None:
    seen = world.run()
    world.rollouts.step(NAME, **WHO)
    with pytest.raises(ConflictError, match="no longer what it was"):
        world.rollouts.step(NAME, **WHO, seen=seen)
    assert world.rollouts.roll_back(NAME, **WHO, seen=world.rollouts.current(NAME)).phase == "rolled_back"
    assert world.rollouts.roll_back(NAME, **WHO, seen=seen).phase == "rolled_back"
    world.start(again=True)
    with pytest.raises(ConflictError):
        world.rollouts.roll_back(NAME, **WHO, seen=seen)


def test_one_who_is_always_too_late_gives_up_and_says_so(world: World) -> None:
    world.run()
    for write in range(1, 100):
        world.interference.at[write] = ("before", lambda w=write: label(world.objects.objects, "w", str(w)))
    with pytest.raises(ConflictError, match="changed by others all the time"):
        world.rollouts.step(NAME, **WHO)


def test_a_log_that_is_away_stops_no_rollback_and_is_completed_later(world: World) -> None:
    world.run()
    world.log.away = True
    assert len(world.rollouts.step(NAME, **WHO).pending) == 1
    rollout = world.rollouts.roll_back(NAME, **WHO)
    assert [change.action for change in rollout.pending] == ["step", "roll_back"]
    with pytest.raises(MediaReviewError, match="lake is away"):
        world.rollouts.complete(NAME)
    world.log.away = False
    completed = world.rollouts.complete(NAME)
    assert completed is not None
    assert completed.pending == ()
    assert world.rollouts.complete(NAME) == completed
    assert disagreements(world.service(), world.log.history()) == []


def test_what_somebody_else_put_beside_a_change_that_is_logged_waits_on(world: World) -> None:
    world.run()
    interference, other_log = Interference(), MemoryLog()

    def pause_without_log() -> None:
        other_log.away = True
        Rollouts(world.objects.objects, other_log).pause(NAME, actor="bo", reason="")

    interference.at[1] = ("after", pause_without_log)
    Rollouts(world.objects.objects, WatchedLog(world.log, interference)).step(NAME, **WHO)
    assert [change.action for change in world.current().pending] == ["pause"]
    world.rollouts.complete(NAME)
    assert world.actions() == ["start", "enter", "step", "pause"]


def test_what_waits_for_the_log_travels_on_to_the_next_rollout(world: World) -> None:
    world.run()
    world.log.away = True
    world.rollouts.roll_back(NAME, **WHO)
    assert len(world.start(again=True).pending) == 2
    world.log.away = False
    world.rollouts.complete(NAME)
    assert world.actions() == ["start", "enter", "roll_back", "start"]


def test_while_too_much_waits_only_safety_changes_are_made(world: World) -> None:
    world.run()
    world.log.away = True
    evidence = {"findings": ["x" * 100] * 100}
    while len(world.current().pending) <= MOST_PENDING:
        world.rollouts.pause(NAME, **WHO, evidence=evidence)
        if len(world.current().pending) <= MOST_PENDING:
            world.rollouts.resume(NAME, **WHO, evidence=evidence)
    refused(world, lambda: world.rollouts.resume(NAME, **WHO), f"{MOST_PENDING + 1} changes of sentiment wait")
    assert world.rollouts.roll_back(NAME, **WHO, evidence=evidence).phase == "rolled_back"
    # Kubernetes refuses annotations of more than 256 KiB in all.
    assert 50_000 < len(world.service()["metadata"]["annotations"][ANNOTATION]) < 200_000


def test_a_clock_that_is_behind_stops_all_but_safety_changes(world: World) -> None:
    world.run()
    world.now -= timedelta(minutes=4)
    last = world.rollouts.step(NAME, **WHO)
    world.now -= timedelta(hours=1)
    refused(world, lambda: world.rollouts.step(NAME, **WHO), "clock says")
    refused(world, lambda: world.rollouts.promote(NAME, **WHO), "clock says")
    assert world.rollouts.roll_back(NAME, **WHO).changed_at > last.changed_at
    refused(world, lambda: world.start(again=True), "clock says")
    assert disagreements(world.service(), world.log.history()) == []


def test_evidence_is_kept_in_bounds_and_a_reason_in_one_line(world: World) -> None:
    world.run()
    findings = [{"name": f"metric {number}", "note": "x" * 100} for number in range(100)]
    world.rollouts.step(
        NAME, actor="ana", reason="two\n lines " * 999, evidence={"action": "step", "findings": findings}
    )
    last = world.log.history()[-1]
    assert len(last.evidence.encode()) <= EVIDENCE_BYTES
    assert '"action":"step"' in last.evidence
    assert "metric 1" in last.evidence
    assert "\n" not in last.reason
    assert len(last.reason) <= 1000


def test_an_actor_without_a_name_is_refused(world: World) -> None:
    world.run()
    refused(world, lambda: world.rollouts.step(NAME, actor="", reason=""), "The actor of the change")


def test_history_tells_what_waits_for_the_log_too(world: World) -> None:
    seen = world.run()
    waiting = world.log.changes.popitem()[1]
    world.edit(lambda service: service["metadata"].update(with_rollout(service, pending(seen, waiting))["metadata"]))
    assert [change.action for change in world.rollouts.history(NAME)] == ["start", "enter"]
    world.rollouts.complete(NAME)
    assert [change.action for change in world.rollouts.history(NAME)] == ["start", "enter"]


def pending(rollout: Rollout, change: RolloutChange) -> Rollout:
    return rollout.model_copy(update={"pending": (change,)})
