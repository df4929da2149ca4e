"""Off-policy estimates against a known truth: error and coverage, beside the naive replay average.

Users of a few kinds click titles by appeal and place; a recommender with errors answered them, its order randomised now
and then; a better one is to be judged from that log alone.

Usage: ``python -m benchmarks.off_policy``
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Row, report
from serving.off_policy import Positions, diagnose, estimates

KINDS, POOL, SHOWN = 4, 10, 5


@dataclass
class World:
    """A network with a logging policy and a candidate.

    Args:
        seed: of the appeal of the titles and of both policies.
        exploration: share of answers in uniformly random order.
    """

    seed: int
    exploration: float
    titles: int = 60

    def __post_init__(self) -> None:
        random = np.random.default_rng(self.seed)
        # Not more than 0.5: times a user's mood of at most 2, a click probability.
        self.appeal = np.minimum(random.beta(1.2, 6.0, (KINDS, self.titles)), 0.5)
        self.attention = (1.0 + np.arange(SHOWN)) ** -0.6
        guess = self.appeal + random.normal(0.0, 0.1, self.appeal.shape)
        self.ranked = np.argsort(-guess, axis=1)[:, :POOL]
        better = np.take_along_axis(self.appeal, self.ranked, 1) + random.normal(0.0, 0.05, (KINDS, POOL))
        self.candidate = np.take_along_axis(self.ranked, np.argsort(-better, axis=1), 1)[:, :SHOWN]

    @property
    def truth(self) -> float:
        """Clicks per answer of the candidate."""
        return float((np.take_along_axis(self.appeal, self.candidate, 1) * self.attention).sum(1).mean())

    def log(self, seed: int, units: int) -> Positions:
        """Return the answers to so many users, of one to five each."""
        random = np.random.default_rng(seed)
        unit = np.repeat(np.arange(units), random.integers(1, 6, units))
        mood = random.uniform(0.0, 2.0, units)[unit]
        kind = random.integers(0, KINDS, units)[unit]
        answers = len(unit)
        shuffled = np.argsort(random.random((answers, POOL)), axis=1)
        order = np.where(random.random((answers, 1)) < self.exploration, shuffled, np.arange(POOL))[:, :SHOWN]
        shown = np.take_along_axis(self.ranked[kind], order, 1)
        propensity = (1 - self.exploration) * (order == np.arange(SHOWN)) + self.exploration / POOL
        chance = np.take_along_axis(self.appeal[kind], shown, 1) * self.attention * mood[:, None]
        return Positions(
            answer=np.repeat(np.arange(answers), SHOWN),
            unit=np.repeat(unit, SHOWN),
            place=np.tile(np.arange(SHOWN), answers),
            shown=shown.ravel(),
            wanted=self.candidate[kind].ravel(),
            propensity=propensity.ravel(),
            clicked=(random.random(chance.shape) < chance).astype(np.float64).ravel(),
        )


def naive_replay(logged: Positions) -> float:
    """Return clicks per answer where the wanted title happened to be shown, as if it were so by chance alone."""
    matched = logged.shown == logged.wanted
    return float(logged.clicked[matched].mean() * len(matched) / logged.n_answers)


def trial(world: World, units: int, repetitions: int) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return the errors of IPS, SNIPS, DR and naive replay, relative to the truth, over repeated logs.

    Returns:
        Errors [repetitions, 4], whether the intervals held the truth [repetitions, 3], and the mean effective clicks.
    """
    errors, covered, clicks = [], [], []
    for seed in range(repetitions):
        logged = world.log(seed, units)
        found = estimates(logged)
        values = [*(item.clicks_per_answer for item in found), naive_replay(logged)]
        errors.append([value / world.truth - 1 for value in values])
        covered.append([item.low <= world.truth <= item.high for item in found])
        clicks.append(diagnose(logged).effective_clicks)
    return np.array(errors), np.array(covered, np.float64), float(np.mean(clicks))


def rows(units: int = 2000, repetitions: int = 500) -> list[Row]:
    """Return error and coverage of the three estimates: one world, logs of so many users, repeated."""
    errors, covered, clicks = trial(World(seed=3, exploration=0.1), units, repetitions)
    rmse, bias = np.sqrt((errors**2).mean(0)), errors.mean(0)
    note = f"{units} users, 10 % exploration, {clicks:.0f} effective clicks, {repetitions} logs"
    found = []
    for place, method in enumerate(("ips", "snips", "dr")):
        shown = f"bias {bias[place]:+.1%}, of naive replay {bias[3]:+.1%}; {note}"
        found.append(Row(f"off_policy_{method}_relative_rmse", rmse[place], "", "naive replay average", rmse[3], shown))
        share, noise = covered[:, place].mean(), 1.96 * covered[:, place].std() / np.sqrt(repetitions)
        shown = f"+- {noise:.3f}; {repetitions} logs"
        found.append(Row(f"off_policy_{method}_coverage", share, "", "nominal", 0.95, shown))
    return found


if __name__ == "__main__":
    report("off_policy", rows())
