"""The gate lets a model through only if it beats the champion and every baseline."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.registry import decide
from mediareview.evaluation import Evaluation, Metric, ModelScore


def evaluation(candidate: float, baselines: dict[str, float], champion: float | None = None, servable: bool = True):
    def score(name: str, role: str, value: float) -> ModelScore:
        metrics = [Metric(name="macro_f1", value=value)]
        return ModelScore(name=name, role=role, metrics=metrics, artifact="dir" if servable else "")

    scores = [score("candidate", "candidate", candidate)]
    scores += [score(name, "baseline", value) for name, value in baselines.items()]
    if champion is not None:
        scores.append(score("champion", "champion", champion))
    return Evaluation(model="sentiment", primary_metric="macro_f1", split="test", seed=1, scores=scores)


def test_a_candidate_that_beats_everything_is_promoted() -> None:
    decision = decide(evaluation(0.7, {"tfidf": 0.6, "vader": 0.5}, champion=0.65))
    assert decision.winner == "candidate"
    assert decision.candidate_promoted
    assert "0.7000" in decision.reason
    assert "0.6500" in decision.reason


def test_a_candidate_no_better_than_the_champion_is_refused_and_told_why() -> None:
    decision = decide(evaluation(0.65, {"tfidf": 0.6}, champion=0.65))
    assert (decision.winner, decision.candidate_promoted) == ("", False)
    assert "champion stays" in decision.reason


def test_a_gain_below_the_required_one_is_refused() -> None:
    assert decide(evaluation(0.66, {"tfidf": 0.6}, champion=0.65), min_gain=0.02).winner == ""
    assert decide(evaluation(0.68, {"tfidf": 0.6}, champion=0.65), min_gain=0.02).winner == "candidate"


def test_a_baseline_that_wins_becomes_champion() -> None:
    decision = decide(evaluation(0.58, {"tfidf": 0.6, "vader": 0.5}))
    assert (decision.winner, decision.candidate_promoted) == ("tfidf", False)


def test_the_champion_stays_when_a_baseline_beats_only_the_candidate() -> None:
    assert decide(evaluation(0.58, {"tfidf": 0.6}, champion=0.65)).winner == ""


def test_there_is_always_a_first_champion_even_if_the_better_baseline_cannot_be_served() -> None:
    assert decide(evaluation(0.58, {"vader": 0.6}, servable=False)).winner == "candidate"


@pytest.mark.parametrize("champion", [None, 0.5])
def test_nan_never_wins(champion: float | None) -> None:
    assert decide(evaluation(float("nan"), {"tfidf": 0.6}, champion=champion)).winner == "tfidf"


scores = st.floats(0, 1)


@given(candidate=scores, baselines=st.lists(scores, max_size=4), champion=st.none() | scores)
def test_what_is_served_never_gets_worse_and_a_promoted_candidate_beats_all(candidate, baselines, champion) -> None:
    named = {f"baseline{index}": value for index, value in enumerate(baselines)}
    decision = decide(evaluation(candidate, named, champion))
    values = {"candidate": candidate, "": champion, **named}
    winner = values[decision.winner]
    if champion is not None:
        assert winner >= champion
    if decision.candidate_promoted:
        assert all(candidate > value for value in baselines)
