"""Rollouts under real traffic on this machine: who gets what, what is lost, how soon bad versions are taken back."""

import tempfile
from math import sqrt
from pathlib import Path

from benchmarks.report import Row
from benchmarks.rollout_scenarios import FIRST_PERCENT, Played, kill_often, promote, sabotage, slow_down
from benchmarks.rollout_world import World, labelled_texts

UNATTENDED_S = 120.0
"""How long a bad version may last."""


def rows() -> list[Row]:
    """Return all rows; about six minutes, training of the versions included."""
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory) / "home")
        world.train(labelled_texts(Path(directory) / "lake", world.settings))
        with world.serving() as platform:
            promoted = promote(world, platform, world.versions["better"], every_s=20)
            taken_back = {what: sabotage(world, world.versions[what]) for what in ("wrong", "failing")}
            taken_back["slow"] = slow_down(world, platform, world.versions["stable"])
            killed = kill_often(world, platform, world.versions["stable"])
    unplanned = [promoted, *taken_back.values()]
    return [
        _split(promoted),
        _count("users_switched", sum(len(played.switched) for played in [*unplanned, *killed]), "exposed users",
               sum(played.exposed for played in [*unplanned, *killed]), "ten kills included"),
        _count("requests_failed", sum(len(played.lost) for played in unplanned), "requests",
               sum(played.requests for played in unplanned), "start, steps, promotion, three rollbacks"),
        _count("requests_lost_to_kills", len(killed[-1].lost), "requests", killed[-1].requests,
               "10 kills (-9), 3 of them of the API, 4 callers"),
        _count("rollouts_whose_log_disagrees", sum(not played.agrees for played in [*unplanned, *killed]), "rollouts",
               len(unplanned) + len(killed), "ten kills included"),
        Row("promotion_s", promoted.seconds, "s", "least by the plan", 5 * 20.0, promoted.rollout.reason),
        *(
            Row(f"rollback_{what}_s", played.seconds, "s", "budget", UNATTENDED_S, played.rollout.reason)
            for what, played in taken_back.items()
            if played.rollout.phase == "rolled_back"
        ),
    ]  # fmt: skip


def _split(played: Played) -> Row:
    canary, everybody = played.split
    share = FIRST_PERCENT / 100
    interval = 1.96 * sqrt(share * (1 - share) / everybody)
    note = f"{canary} of {everybody} users; binomial, 95 %: {share - interval:.3f} to {share + interval:.3f}"
    return Row("observed_split", canary / everybody, "", "declared", share, note)


def _count(metric: str, count: int, among: str, whole: int, note: str) -> Row:
    return Row(metric, count, "", among, whole, note)
