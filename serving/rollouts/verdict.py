"""What the judge says of a rollout: one action, its reason, and what each check found."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Action = Literal["hold", "step", "pause", "promote", "roll_back"]
Role = Literal["guardrail", "decision", "check", "information"]
State = Literal["ok", "waiting", "breach", "win", "loss", "non_inferior", "unknown"]


class Finding(BaseModel):
    """What one check found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    role: Role
    state: State
    canary: float | None = None
    control: float | None = None
    effect: float | None = None
    """Canary less control, in units of the metric."""
    low: float | None = None
    high: float | None = None
    """Bounds of the effect, valid however often one looks."""
    units: tuple[int, int] = (0, 0)
    """Canary and control: units, or calls, that it rests on."""
    note: str = ""
    """In words, with what is waited for."""


class Verdict(BaseModel):
    """What to do now."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Action
    reason: str
    findings: tuple[Finding, ...] = ()
    decision_in_s: float | None = None
    """Expected time until there is a decision at the present pace; None if it cannot be told."""
