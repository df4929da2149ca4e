"""Rollouts from end to end: real versions of the sentiment model, real traffic, bad versions, and kill -9."""

from collections.abc import Iterator
from math import sqrt

import pytest

from benchmarks.rollout_scenarios import Played, kill_often, promote, sabotage, slow_down
from benchmarks.rollout_world import Platform, World
from mediareview.lake import Lake

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

TWO_MINUTES_S = 120.0


@pytest.fixture(scope="module")
def world(labelled_texts: Lake, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("home"))
    world.train(labelled_texts)
    return world


@pytest.fixture(scope="module")
def platform(world: World) -> Iterator[Platform]:
    with world.serving() as platform:
        yield platform


@pytest.fixture(scope="module")
def promoted(world: World, platform: Platform) -> Played:
    return promote(world, platform, world.versions["better"])


def test_a_better_version_reaches_all_traffic_by_itself_and_no_request_fails(promoted: Played) -> None:
    assert promoted.rollout.phase == "promoted", promoted.rollout.reason
    assert [change.action for change in promoted.log] == ["start", "enter", *4 * ["step"], "promote"]
    assert [change.traffic_percent for change in promoted.log] == [0, 10, 20, 30, 40, 50, 100]
    assert promoted.requests > 1000
    assert promoted.lost == []
    assert promoted.labels_lost == 0


def test_the_observed_split_is_the_declared_one(promoted: Played) -> None:
    canary, all_users = promoted.split
    interval = 3.3 * sqrt(0.1 * 0.9 / all_users)  # 99.9 % of a binomial share
    assert abs(canary / all_users - 0.1) <= interval, promoted.split


def test_each_user_stays_on_one_variant_while_traffic_grows(promoted: Played) -> None:
    assert promoted.switched == []
    assert promoted.moved_back == []


def test_promotion_restarts_nothing(promoted: Played) -> None:
    assert promoted.kept_processes


def test_object_and_audit_log_agree(promoted: Played) -> None:
    assert promoted.agrees


@pytest.mark.parametrize("what", ["wrong", "failing"])
def test_a_bad_version_is_taken_back_unattended_and_nobody_notices(
    world: World, platform: Platform, promoted: Played, what: str
) -> None:
    played = sabotage(world, world.versions[what])
    assert played.rollout.phase == "rolled_back"
    assert played.log[-1].actor == "controller"
    assert played.seconds < TWO_MINUTES_S
    assert played.lost == []
    assert played.agrees


def test_a_version_that_does_not_start_is_refused_and_nothing_changes(
    world: World, platform: Platform, promoted: Played
) -> None:
    before = world.objects.get("sentiment")["spec"]
    said = world.run("rollout", "start", "sentiment", "--version", world.versions["broken"], code=1)
    assert "does not load" in said
    assert world.objects.get("sentiment")["spec"] == before


def test_a_slow_version_is_taken_back_unattended(world: World, platform: Platform, promoted: Played) -> None:
    played = slow_down(world, platform, world.versions["stable"])
    assert played.rollout.phase == "rolled_back"
    assert "slow" in played.rollout.reason
    assert played.seconds < TWO_MINUTES_S
    assert played.lost == []


def test_kills_at_ten_moments_lose_nothing_but_what_the_dead_process_held(
    world: World, platform: Platform, promoted: Played
) -> None:
    rollouts = kill_often(world, platform, world.versions["stable"])
    assert all(played.agrees for played in rollouts)
    assert [played.switched for played in rollouts] == [[]] * len(rollouts)
    lost = rollouts[-1].lost
    assert all(one.connection for one in lost), lost
    assert len(lost) <= 3 * 4  # three kills of the API, and four requests at a time
