"""Maps users onto variants: the same user to the same variant, whatever process asks and however traffic grows.

A hash places each user on a circle from 0 to 100 %, anew for each experiment. The canary's users are those below its
percentage, so that raising it only adds users. Its control group lies at the other end and grows at the same pace, so
that at any moment both have been joined by the same kind of users over the same time, in the proportion of the
greatest share that was planned::

    0 %        10 %                                      90 %        100 %
    |  canary  |      stable, not enrolled yet            |  control  |       10 % of at most 50 %

Whoever is enrolled stays with a variant until the rollout ends; those in between are served by the stable variant and
are not part of the comparison until they are reached.
"""

from dataclasses import dataclass
from hashlib import blake2b

from serving.experiments.experiment import Experiment

_CIRCLE = 2.0**64


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which variant a unit gets."""

    variant: str
    enrolled: bool
    """Whether the unit belongs to the comparison."""
    propensity: float
    """Probability with which an enrolled unit is assigned to this variant; 1 if it is not enrolled."""


def position(experiment_id: str, unit: str) -> float:
    """Return where a unit lies on the circle of an experiment: uniform on [0, 100), in percent.

    The positions of a unit in two experiments are independent of each other (BLAKE2b, RFC 7693).
    """
    digest = blake2b(f"{experiment_id}\x00{unit}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _CIRCLE * 100.0


def assign(experiment: Experiment, unit: str) -> Assignment:
    """Return the variant of a unit; a copy that shadow mode sends is nobody's assignment.

    Raises:
        ValueError: the experiment shows nobody the canary: it is in shadow mode.
    """
    if experiment.mode == "shadow":
        raise ValueError(f"experiment {experiment.id} is in shadow mode, which assigns nobody")
    place = position(experiment.id, unit)
    treated = experiment.max_percent / 100
    if place < experiment.traffic_percent:
        return Assignment(experiment.canary, True, treated)
    control_percent = experiment.traffic_percent * (1 - treated) / treated
    if place >= 100.0 - control_percent:
        return Assignment(experiment.stable, True, 1 - treated)
    return Assignment(experiment.stable, False, 1.0)
