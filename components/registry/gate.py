"""The gate: a model becomes champion only if it beats the champion and every baseline on the same split."""

from pydantic import BaseModel

from mediareview.evaluation import Evaluation, ModelScore


class Decision(BaseModel):
    """What the gate decided. ``winner`` names the score that becomes champion; empty keeps the champion."""

    winner: str
    candidate_promoted: bool
    reason: str


def decide(evaluation: Evaluation, min_gain: float = 0.0) -> Decision:
    """Choose the champion by the primary metric (higher is better).

    The candidate must exceed the champion by more than ``min_gain`` and the best baseline by more than 0. Where it
    does not, a servable baseline that beats both becomes champion, so that there is always one. NaN never wins.

    Args:
        evaluation: scores of candidate, baselines and champion on one split.
        min_gain: least improvement over the champion, in units of the primary metric.

    Returns:
        The winner and the reason, in words with numbers.
    """
    metric = evaluation.primary_metric

    def value(score: ModelScore) -> float:
        number = score.value(metric)
        return number if number == number else float("-inf")

    def told(score: ModelScore) -> str:
        return f"{score.name} ({metric} {score.value(metric):.4f})"

    candidate = evaluation.candidate
    baselines = sorted(evaluation.by_role("baseline"), key=value, reverse=True)
    champions = evaluation.by_role("champion")
    champion_value = value(champions[0]) + min_gain if champions else float("-inf")
    beaten_by = [score for score in baselines if value(score) >= value(candidate)]
    if champions and value(candidate) <= champion_value:
        beaten_by.insert(0, champions[0])
    if not beaten_by:
        rivals = [*champions, *baselines[:1]]
        beats = " and ".join(told(rival) for rival in rivals) or "nothing to compare with"
        return Decision(winner="candidate", candidate_promoted=True, reason=f"{told(candidate)} beats {beats}.")

    refusal = f"{told(candidate)} does not beat {', '.join(told(score) for score in beaten_by)}"
    servable = next((score for score in baselines if score.artifact and value(score) > champion_value), None)
    if servable and (value(servable) >= value(candidate)):
        return Decision(
            winner=servable.name,
            candidate_promoted=False,
            reason=f"{refusal}; the baseline {told(servable)} becomes champion.",
        )
    if not champions:
        return Decision(
            winner="candidate",
            candidate_promoted=True,
            reason=f"{refusal}, but no better model can be served and there is no champion yet.",
        )
    return Decision(winner="", candidate_promoted=False, reason=f"{refusal}; the champion stays.")
