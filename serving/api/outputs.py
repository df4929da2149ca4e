"""What predictions say, in the words of the logs; and how far two models agree."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from mediareview.contracts.prediction import ModerationPrediction, RecommendationPrediction, SentimentPrediction


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer said of each item: the fields of ``ServedAnswer``."""

    item_ids: list[str]
    labels: list[str]
    scores: list[float]
    propensities: list[float] = field(default_factory=list)


def said_of_texts(ids: Sequence[str], predictions: Sequence[SentimentPrediction | ModerationPrediction]) -> Said:
    """Return what was said of texts: the sentiment and its probability, or the action and the worst probability."""
    return Said(
        [*ids],
        [_label(prediction) for prediction in predictions],
        [
            prediction.scores[prediction.label]
            if isinstance(prediction, SentimentPrediction)
            else max(prediction.categories.values())
            for prediction in predictions
        ],
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far two answers to the same request agree."""

    agreement: float
    """Between 0 and 1."""
    score_difference: float | None
    """Mean absolute difference of the probabilities, between 0 and 1."""


def compare(answered: Sequence[BaseModel], copied: Sequence[BaseModel]) -> Comparison:
    """Return how far the predictions of two models agree.

    Of texts: the share with the same label or action, and the mean absolute difference of the probabilities. Of
    recommendations: the share of the titles answered that the other model recommends too, whatever their order.

    Args:
        answered: the predictions that were answered.
        copied: the other model's, as many and of the same kind.
    """
    pairs = list(zip(answered, copied, strict=True))
    agreements = [_agreement(one, other) for one, other in pairs]
    differences = [
        abs(probability - other_probabilities.get(name, 0.0))
        for one, other in pairs
        for other_probabilities in [_probabilities(other)]
        for name, probability in _probabilities(one).items()
    ]
    return Comparison(
        sum(agreements) / len(agreements),
        sum(differences) / len(differences) if differences else None,
    )


def _agreement(one: BaseModel, other: BaseModel) -> float:
    if isinstance(one, RecommendationPrediction) and isinstance(other, RecommendationPrediction):
        shown, others = ({item.media_id for item in prediction.items} for prediction in (one, other))
        most = max(len(shown), len(others))
        return len(shown & others) / most if most else 1.0
    return float(_label(one) == _label(other))


def _label(prediction: BaseModel) -> str:
    return str(prediction.label if isinstance(prediction, SentimentPrediction) else getattr(prediction, "action", ""))


def _probabilities(prediction: BaseModel) -> dict[str, float]:
    if isinstance(prediction, SentimentPrediction):
        return prediction.scores
    return prediction.categories if isinstance(prediction, ModerationPrediction) else {}
