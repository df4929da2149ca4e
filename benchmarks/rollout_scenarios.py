"""What rollouts must withstand, played through with real processes and traffic: good versions, bad ones, kills."""

import contextlib
import json
import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psutil

from benchmarks.rollout_load import Load, Lost
from benchmarks.rollout_world import SERVICE, Platform, World, slowed
from mediareview.contracts import RolloutChange
from mediareview.lake import Lake
from serving.rollouts.rollout import Rollout, rollout_of

PATIENCE_S = 240.0
FIRST_PERCENT = 10
QUICK = ("--traffic", str(FIRST_PERCENT), "--outcome-window", "2s", "--min-units", "100")


@dataclass
class Played:
    """What happened to the users and to the records while a rollout was played through."""

    rollout: Rollout
    seconds: float
    """From its start to its end."""
    requests: int
    lost: list[Lost]
    labels_lost: int
    exposed: int
    """Users enrolled."""
    switched: list[str]
    """Those of them to whom more than one variant was assigned."""
    log: list[RolloutChange]
    """The audit log's changes of this rollout, in order."""
    split: tuple[int, int] = (0, 0)
    """Of the users who asked at the first percentage: those on the canary, and all."""
    moved_back: list[str] = field(default_factory=list)
    """Users who were answered by the canary, and by the stable version later on, while traffic only grew."""
    kept_processes: bool = False
    """Whether the promoted version is served by the very processes that served the canary."""

    @property
    def agrees(self) -> bool:
        """Whether object and audit log tell the same: the same changes, each once, in order, and the same end."""
        numbers = [change.sequence for change in self.log]
        last = self.log[-1]
        return (
            numbers == list(range(1, self.rollout.sequence + 1))
            and (last.phase, last.traffic_percent) == (self.rollout.phase, self.rollout.traffic_percent)
            and not self.rollout.pending
        )


def promote(world: World, platform: Platform, version: str, *, every_s: int = 8, users: int = 2000) -> Played:
    """Roll a version out by steps of 10 % to 50 %, until the controller promotes it."""
    with Load(world.url, world.sentences, users=users) as load:
        started = time.monotonic()
        world.run("rollout", "start", SERVICE, "--version", version, *QUICK, "--step", "10", "--max", "50",
                  "--every", f"{every_s}s", "--margin", "0.1", "--reason", "it scored better")  # fmt: skip
        entered = time.monotonic()
        until(lambda: current(world).traffic_percent > FIRST_PERCENT)
        stepped = time.monotonic()
        canary = {process.pid for process in platform.predictors(version)}
        until(lambda: not current(world).active)
        ended = time.monotonic()
        time.sleep(3.0)  # the version before drains
        kept = {process.pid for process in platform.predictors(version)} == canary
    played = _played(world, load, ended - started)
    name = played.rollout.candidate.predictor
    # A moment for the percentages to reach the API, and what was under way when they changed.
    first = load.variants(entered + 1.0, stepped - 1.0)
    played.split = (sum(name in variants for variants in first.values()), len(first))
    growing = load.variants(entered + 1.0, ended - 1.0)
    played.moved_back = [user for user, variants in growing.items() if name in variants[:-1]]
    played.kept_processes = kept
    return played


def sabotage(world: World, version: str, *, again: bool = False) -> Played:
    """Roll out a version that is bad, until the controller takes it back."""
    with Load(world.url, world.sentences) as load:
        started = time.monotonic()
        world.run("rollout", "start", SERVICE, "--version", version, *QUICK, "--every", "60s", *again * ("--again",))
        until(lambda: not current(world).active)
        ended = time.monotonic()
        time.sleep(3.0)
    return _played(world, load, ended - started)


def slow_down(world: World, platform: Platform, version: str) -> Played:
    """Roll out a version that becomes slow once it has traffic, until the controller takes it back."""
    with Load(world.url, world.sentences) as load:
        started = time.monotonic()
        world.run("rollout", "start", SERVICE, "--version", version, *QUICK, "--every", "60s", "--again")
        time.sleep(5.0)
        with slowed(platform.predictors(version)):
            until(lambda: not current(world).active)
            ended = time.monotonic()
        time.sleep(3.0)
    return _played(world, load, ended - started)


def kill_often(world: World, platform: Platform, version: str, *, kills: int = 10, seed: int = 0) -> list[Played]:
    """Kill (-9) controller, API and canary in turns, at moments drawn at random, while a version is rolled out.

    If that ends one rollout, because the canary fails too often, another is started, until all kills are made.

    Returns:
        The rollouts, in order; users and requests are those of all of them together.
    """
    draw = random.Random(seed)
    ended: list[Rollout] = []

    def victims(number: int) -> list[psutil.Process]:
        if number % 3 == 2:
            return platform.predictors(version)
        return platform.processes("serving.rollouts" if number % 3 == 0 else "serving.api")

    def go_on() -> None:
        rollout = rollout_of(world.objects.get(SERVICE))
        if rollout is None or not rollout.active:
            if rollout is not None and rollout.started_at >= began:
                ended.append(rollout)
            world.run("rollout", "start", SERVICE, "--version", version, *QUICK, "--every", "6s", "--margin", "0.01",
                      "--again", "--no-wait")  # fmt: skip

    with Load(world.url, world.sentences) as load:
        started, began = time.monotonic(), datetime.now(UTC)
        for number in range(kills):
            go_on()
            time.sleep(draw.uniform(0.5, 4.0))
            with contextlib.suppress(TimeoutError):  # the rollout has ended, and with it the canary
                until(lambda number=number: bool(victims(number)), timeout_s=10.0)  # type: ignore[misc]
            for victim in victims(number):
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim.kill()
        time.sleep(5.0)
        if current(world).active:
            world.run("rollout", "rollback", SERVICE, "--reason", "there were enough kills")
        seconds = time.monotonic() - started
        time.sleep(3.0)
    return [_played(world, load, seconds, rollout) for rollout in [*ended, current(world)]]


def current(world: World) -> Rollout:
    """Return the newest rollout."""
    found = rollout_of(world.objects.get(SERVICE))
    if found is None:
        raise RuntimeError("there is no rollout")
    return found


def until(happens: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
    """Wait for something.

    Raises:
        TimeoutError: it does not happen in time.
    """
    deadline = time.monotonic() + timeout_s
    while not happens():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen")
        time.sleep(0.1)


def assigned(world: World, rollout: Rollout) -> dict[str, set[str]]:
    """Return the variants that were assigned to each enrolled user, by exposures and answers on disk."""
    variants: dict[str, set[str]] = defaultdict(set)
    for stream in ("exposures", "answers"):
        for event in stored(world, stream):
            if event["experiment"] == rollout.id:
                variants[event["unit"]].add(event["variant"])
    return variants


def stored(world: World, stream: str) -> list[dict[str, Any]]:
    """Return the events of a stream that are on disk; half a line, of a process that was killed, is none."""
    lines = [
        line
        for path in sorted((world.settings.events / stream).glob("*.jsonl"))
        for line in path.read_bytes().splitlines(keepends=True)
    ]
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def audit_log(world: World, rollout: Rollout) -> list[RolloutChange]:
    """Return the changes of a rollout that the audit log has, by their number."""
    rows = Lake.from_settings(world.settings).read("rollout_changes").to_pylist()
    changes = [RolloutChange.model_validate(row) for row in rows if row["rollout"] == rollout.id]
    return sorted(changes, key=lambda change: change.sequence)


def _played(world: World, load: Load, seconds: float, rollout: Rollout | None = None) -> Played:
    rollout = rollout or current(world)
    variants = assigned(world, rollout)
    return Played(
        rollout=rollout,
        seconds=seconds,
        requests=len(load.answered),
        lost=load.lost,
        labels_lost=load.labels_lost,
        exposed=len(variants),
        switched=[user for user, names in variants.items() if len(names) > 1],
        log=audit_log(world, rollout),
    )
