"""What an evaluation says: every model scored on the same split in the same run."""

from typing import Literal

from pydantic import BaseModel, Field


class Metric(BaseModel):
    """One number, with a 95 % bootstrap confidence interval where one was computed."""

    name: str
    """For example ``ndcg@10``, ``macro_f1``, ``auc_abusive``."""
    value: float
    ci_low: float | None = None
    ci_high: float | None = None
    slice: str = ""
    """Part of the test set, for example ``cold users``; empty means all of it."""
    rows: int | None = None
    """Test rows (or users) behind the number."""


class ModelScore(BaseModel):
    """The metrics of one model in an evaluation."""

    name: str
    """``candidate``, ``champion`` or the baseline's name."""
    role: Literal["candidate", "baseline", "champion"]
    metrics: list[Metric]
    artifact: str = ""
    """Artifact directory, if the model can be served."""

    def value(self, metric: str, slice: str = "") -> float:
        """Return a metric's value.

        Raises:
            KeyError: the model has no such metric.
        """
        for item in self.metrics:
            if (item.name, item.slice) == (metric, slice):
                return item.value
        raise KeyError(f"{self.name} has no metric {metric!r} for slice {slice!r}")


class Evaluation(BaseModel):
    """Scores of the candidate, the baselines and the champion on one test split."""

    model: str
    """``recommender``, ``sentiment`` or ``moderation``."""
    primary_metric: str
    """The metric the gate compares; higher is better."""
    split: str
    """How the test rows were chosen, in words."""
    seed: int
    scores: list[ModelScore] = Field(default_factory=list)

    def by_role(self, role: str) -> list[ModelScore]:
        """Scores of the models in a role."""
        return [score for score in self.scores if score.role == role]

    @property
    def candidate(self) -> ModelScore:
        """Score of the model that was just trained."""
        return self.by_role("candidate")[0]
