"""How often the judge is wrong, and how long it takes, in simulated rollouts; through the code that judges real ones.

Every A/A experiment is looked at after each unit from the burn-in on. The baselines see the same data.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

import numpy as np

from benchmarks.report import Row
from serving.rollouts.plan import Plan
from serving.rollouts.quality import RATIO_ALPHA, boundary_of
from serving.statistics import Boundary, difference_path, intervals, sample_ratio_p_value
from serving.statistics.difference import Array

EXPERIMENTS = 10_000
HORIZON = 10_000
"""Units of both groups together in an A/A experiment."""
NAIVE = NormalDist().inv_cdf(0.975)
_OUTCOMES = 500_000
"""Outcomes at a time, so that memory stays small."""

Draw = Callable[[np.random.Generator, tuple[int, int]], Array]
"""Draws outcomes of a shape [experiments, units]."""


@dataclass(frozen=True)
class World:
    """Where outcomes come from."""

    name: str
    draw: Draw
    percent: int = 50
    """The candidate's share of the units."""
    effect: float = 0.0
    """Added to the candidate's outcomes."""
    correlation: float = 0.0
    """Of outcomes with a covariate, of which three in ten are unknown; 0: there is none."""

    def plan(self, max_units: int | None = None) -> Plan:
        """Return the plan of an experiment in it."""
        return Plan(mode="ab", traffic_percent=self.percent, max_units=max_units)


@dataclass
class Crossings:
    """Units after which the interval first excluded a value; infinite where it never did."""

    above: Array
    below: Array
    naive: Array
    """After which a t-test at every look was significant first, to either side."""
    fixed: Array
    """The t-test's statistic at the horizon."""

    @property
    def either(self) -> Array:
        """To either side."""
        return np.minimum(self.above, self.below)


def normal(random: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Draw normal outcomes of variance 1."""
    return random.standard_normal(shape)


def skewed(random: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Draw log-normal outcomes of variance 1; their skewness is 6."""
    return np.exp(random.standard_normal(shape)) / sqrt((np.e - 1) * np.e)


def bernoulli(rate: float) -> Draw:
    """Return what draws successes of a rate."""
    return lambda random, shape: (random.random(shape) < rate).astype(np.float64)


def run(
    world: World, boundary: Boundary, units: int, experiments: int, *, value: float = 0.0, seed: int = 0
) -> Crossings:
    """Simulate experiments that are looked at whenever the boundary says, and by the naive after each unit.

    Args:
        world: where outcomes come from.
        boundary: looks and widths.
        units: of both groups together.
        experiments: how many.
        value: that the interval is to exclude.
        seed: of the draws.
    """
    random = np.random.default_rng(seed)
    share = world.percent / 100
    groups = ceil(units * share) + 1, ceil(units * (1 - share)) + 1
    looks = boundary.looks(units)
    every = np.arange(boundary.looks(units)[0], units + 1)
    found = []
    for size in _chunks(experiments, units):
        treatment, control = (world.draw(random, (size, count)) for count in groups)
        covariates = None
        if world.correlation:
            covariates = _covariate(random, treatment, world), _covariate(random, control, world)
        treatment += world.effect
        path = difference_path(treatment, control, looks, share, covariates=covariates)
        low, high = intervals(path, boundary.critical(looks))
        naive = difference_path(treatment, control, every, share)
        statistic = (naive.effect - value) / naive.standard_error
        found.append(
            (
                first(low > value, looks),
                first(high < value, looks),
                first(np.abs(statistic) > NAIVE, every),
                statistic[:, -1],
            )
        )
    return Crossings(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _chunks(experiments: int, units: int) -> Iterator[int]:
    size = max(1, _OUTCOMES // units)
    for begin in range(0, experiments, size):
        yield min(size, experiments - begin)


def _covariate(random: np.random.Generator, outcomes: Array, world: World) -> Array:
    noise = random.standard_normal(outcomes.shape)
    covariate = world.correlation * outcomes + sqrt(1 - world.correlation**2) * noise + 5
    return np.where(random.random(outcomes.shape) < 0.3, np.nan, covariate)


def first(crossed: np.ndarray, looks: np.ndarray) -> Array:
    """Return after which units each experiment crossed first, infinite where it did not; shape [experiments, looks]."""
    return np.where(crossed.any(axis=1), looks[crossed.argmax(axis=1)], np.inf)


def rows() -> list[Row]:
    """Return all rows; about two and a half minutes on one core."""
    return [*false_positives(), *speed(), *non_inferiority(), *sample_ratio()]


def false_positives() -> list[Row]:
    """Return the share of A/A experiments in which anything is found, to either side."""
    worlds = (
        World("", normal),
        World("skewed", skewed),
        World("rate_0.02", bernoulli(0.02)),
        World("rate_0.7", bernoulli(0.7)),
        World("share_10", normal, percent=10),
        World("share_90_rate_0.1", bernoulli(0.1), percent=90),
        World("cuped", normal, correlation=0.7),
    )
    table = []
    for number, world in enumerate(worlds):
        boundary = boundary_of(world.plan())
        found = run(world, boundary, HORIZON, EXPERIMENTS, seed=number)
        name = "_".join(part for part in ("aa_false_positive_rate", world.name) if part)
        table.append(rate_row(name, found.either, "naive peeking", found.naive))
    world = World("", bernoulli(0.7))
    found = run(world, boundary_of(world.plan(HORIZON)), HORIZON, EXPERIMENTS, seed=50)
    table.append(rate_row("aa_false_positive_rate_group_sequential", found.either, "naive peeking", found.naive))
    margin = 0.05
    world = World("", bernoulli(0.7), effect=-margin)
    found = run(world, boundary_of(world.plan()), HORIZON, EXPERIMENTS, value=-margin, seed=51)
    table.append(rate_row("promoted_though_it_loses_the_margin", found.above, "naive peeking", found.naive))
    return table


def rate_row(name: str, crossings: Array, baseline: str, naive: Array) -> Row:
    """Return the share of experiments that crossed, with its interval."""
    rate = float(np.isfinite(crossings).mean())
    half = NAIVE * sqrt(rate * (1 - rate) / len(crossings))
    note = f"95 % [{max(0.0, rate - half):.4f}, {rate + half:.4f}], {len(crossings)} experiments of {HORIZON} units"
    return Row(name, rate, "", baseline, float(np.isfinite(naive).mean()), note)


def speed(experiments: int = 2000) -> list[Row]:
    """Return units until a gain is found, against a t-test whose size was planned for that very gain."""
    table = []
    for effect in (0.05, 0.1, 0.2):
        planned = ceil(4 * (NAIVE + NormalDist().inv_cdf(0.9)) ** 2 / effect**2)
        world = World("", normal, effect=effect)
        most = ceil(1.1 * planned)
        fixed = float((run(world, boundary_of(world.plan()), planned, experiments, seed=7).fixed > NAIVE).mean())
        for kind, boundary, units, by in (
            ("confidence_sequence", boundary_of(world.plan()), 4 * planned, planned),
            ("group_sequential", boundary_of(world.plan(most)), most, most),
        ):
            found = run(world, boundary, units, experiments, seed=round(1000 * effect))
            won = float(np.isfinite(found.above).mean())
            table += [
                Row(
                    f"{kind}_units_to_win_{effect}",
                    float(np.median(found.above)),
                    "units",
                    "fixed-horizon t-test",
                    planned,
                    f"median; gain of {effect} standard deviations; {won:.1%} have won by {units} units",
                ),
                Row(
                    f"{kind}_power_{effect}",
                    float((found.above <= by).mean()),
                    "",
                    "fixed-horizon t-test",
                    fixed,
                    f"by {by} units; fixed horizon: {planned}",
                ),
            ]
        table.append(
            Row(
                f"naive_peeking_units_to_win_{effect}",
                float(np.median(found.naive)),
                "units",
                "fixed-horizon t-test",
                planned,
                "median; its false positives are above",
            )
        )
    return table


def non_inferiority(experiments: int = 2000) -> list[Row]:
    """Return units until an equally good candidate is proven no worse, and until a worse one is taken back."""
    rate, table = 0.7, []
    for margin in (0.02, 0.05):
        planned = ceil(4 * rate * (1 - rate) * (NAIVE + NormalDist().inv_cdf(0.9)) ** 2 / margin**2)
        world = World("", bernoulli(rate))
        found = run(
            world, boundary_of(world.plan()), 4 * planned, experiments, value=-margin, seed=round(1000 * margin)
        )
        table.append(
            Row(
                f"units_to_promotion_margin_{margin}",
                float(np.median(found.above)),
                "units",
                "fixed-horizon t-test",
                planned,
                f"median; both versions have a rate of {rate}; by {4 * planned} units "
                f"{np.isfinite(found.above).mean():.1%} are proven",
            )
        )
    return table


def sample_ratio(experiments: int = EXPERIMENTS, units: int = 20_000) -> list[Row]:
    """Return how often a sample ratio is called wrong, and after how many units, if looked at after each."""
    count = np.arange(1, units + 1)
    limit = _ratio_limit(units)
    table = []
    for share in (0.5, 0.52, 0.55, 0.6):
        random = np.random.default_rng(round(100 * share))
        alarms, naive = [], []
        for size in _chunks(experiments if share == 0.5 else 1000, units):
            canary = np.cumsum(random.random((size, units)) < share, axis=1)
            apart = np.abs(2 * canary - count)
            alarms.append(first(apart >= limit, count))
            naive.append(
                first((apart > NormalDist().inv_cdf(1 - RATIO_ALPHA / 2) * np.sqrt(count))[:, 99:], count[99:])
            )
        alarm, chi = np.concatenate(alarms), np.concatenate(naive)
        if share == 0.5:
            rate = float(np.isfinite(alarm).mean())
            table.append(
                Row(
                    "sample_ratio_false_alarm_rate",
                    rate,
                    "",
                    "chi-square test at every look",
                    float(np.isfinite(chi).mean()),
                    f"level {RATIO_ALPHA}, {len(alarm)} experiments of {units} units",
                )
            )
        else:
            table.append(
                Row(
                    f"sample_ratio_units_to_alarm_{share}",
                    float(np.median(alarm)),
                    "units",
                    "chi-square test at every look",
                    float(np.median(chi)),
                    f"median; {share:.0%} instead of 50 %; {np.isfinite(alarm).mean():.1%} found",
                )
            )
    return table


def _ratio_limit(units: int) -> np.ndarray:
    """Return how far apart two groups of equal shares must be, after each number of units, to be an alarm."""
    limits, apart = [], 0
    for total in range(1, units + 1):
        apart = max(apart - 2, 0)
        apart += (total - apart) % 2
        while (
            apart <= total
            and sample_ratio_p_value(((total + apart) // 2, (total - apart) // 2), (0.5, 0.5)) > RATIO_ALPHA
        ):
            apart += 2
        limits.append(apart)
    return np.array(limits)
