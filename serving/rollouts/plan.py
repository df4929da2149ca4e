"""How a rollout is to go: its mode, its steps, and what it takes to decide."""

from math import ceil
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Mode = Literal["canary", "ab", "shadow"]
Percent = Annotated[int, Field(ge=1, le=99)]


class Plan(BaseModel):
    """Agreed on before the first request, so that the evidence cannot move the goalposts.

    ``canary`` raises traffic step by step and promotes a candidate that is proven no worse. ``ab`` keeps the traffic as
    it is and promotes a candidate only if it is proven better. ``shadow`` copies requests to a candidate whose answers
    nobody sees, and promotes nothing.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    mode: Mode = "canary"
    traffic_percent: Percent = 10
    """The candidate's first share of the users; in shadow mode the share of requests that is copied."""
    step_percent: Percent = 10
    every_s: Annotated[float, Field(gt=0)] = 600.0
    """Least time between two steps."""
    max_percent: Percent = 50
    """The candidate's greatest share before it is promoted. The others are the control group: they never switch."""
    metric: str = ""
    """What decides; empty means the model's own: see ``serving.rollouts.outcomes``."""
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """A candidate is no worse if it loses less than this, in units of the metric."""
    max_shift: Annotated[float, Field(gt=0, le=1)] = 0.2
    """A candidate that says something else this much more or less often, or with so different scores, is paused for a
    person to look at; 1 allows everything. In units of the shares of labels and of the mean score."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Probability of a wrong decision about quality, however often one looks."""
    min_units: Annotated[int, Field(ge=10)] = 100
    """Least units with an outcome, in each variant, before quality decides anything."""
    max_units: Annotated[int, Field(ge=50)] | None = None
    """Known maximum of units with an outcome, both variants together: then looks are few and boundaries closer."""
    outcome_window_s: Annotated[float, Field(gt=0)] = 600.0
    """What counts as a unit's outcome is what happens this long after it was enrolled."""
    deadline_s: Annotated[float, Field(gt=0)] = 7 * 86400.0
    """After this a rollout that is not decided is paused, and waits for a person."""
    ready_timeout_s: Annotated[float, Field(gt=0)] = 600.0
    """How long a candidate may take to become ready, at the start or after a failure, before it is taken back."""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.mode == "canary" and self.traffic_percent > self.max_percent:
            raise ValueError(
                f"traffic of {self.traffic_percent} % is more than the maximum of {self.max_percent} %: "
                "raise --max, or lower --traffic"
            )
        if self.max_units is not None and self.max_units < self.first_look_units:
            raise ValueError(
                f"{self.min_units} units of each variant take {self.first_look_units} units, more than the maximum of "
                f"{self.max_units}: raise --max-units, or lower --min-units"
            )
        return self

    @property
    def enrolled_percent(self) -> int:
        """Percentage of the enrolled units that is assigned to the candidate."""
        return self.traffic_percent if self.mode == "ab" else self.max_percent

    @property
    def enrolled_share(self) -> float:
        """Share of the enrolled units that is assigned to the candidate, between 0 and 1."""
        return self.enrolled_percent / 100

    @property
    def first_look_units(self) -> int:
        """Units of both variants together of which the smaller one has its least."""
        smaller_percent = min(self.enrolled_percent, 100 - self.enrolled_percent)
        return ceil(self.min_units * 100 / smaller_percent)
