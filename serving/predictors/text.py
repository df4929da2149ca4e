"""Sentiment and moderation behind the model server."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kserve import InferOutput
from kserve.errors import InvalidInput

from mediareview.artifact import Manifest
from mediareview.contracts.prediction import ModerationPrediction, SentimentPrediction, TextRequest
from serving.predictors.predictor import Predictor

if TYPE_CHECKING:
    from serving.scorers.text import TextClassifier

MAX_TEXT_CHARACTERS = 65_536
"""The public API allows less; this keeps a caller inside the cluster from blocking the model with one text."""

TextPrediction = SentimentPrediction | ModerationPrediction


class TextPredictor(Predictor[TextRequest, TextPrediction]):
    """Judges texts; V2: BYTES ``text`` [n] to BYTES ``label`` or ``action`` [n] and FP32 ``scores`` [n, k]."""

    instance = TextRequest
    example = '{"text": "A dull, lifeless film."}'
    input_name = "text"

    def __init__(self, name: str, manifest: Manifest, scorer: "TextClassifier", **limits: Any) -> None:
        super().__init__(name, manifest, **limits)
        self._scorer = scorer
        (sample,) = self.score([TextRequest(text="warm up")])
        self._verdict = "label" if isinstance(sample, SentimentPrediction) else "action"
        self._categories = list(_scores(sample))
        self.outputs = ((self._verdict, "BYTES", (-1,)), ("scores", "FP32", (-1, len(self._categories))))
        self.ready = True

    def score(self, instances: list[TextRequest]) -> Sequence[TextPrediction]:
        """Return what the texts are judged to be."""
        return self._scorer.predictions([instance.text for instance in instances])

    def from_text(self, element: str) -> Any:
        """Return the instance of a text."""
        return {"text": element}

    def to_tensors(self, predictions: list[TextPrediction]) -> list[InferOutput]:
        """Return verdicts and scores; a parameter of ``scores`` names its columns."""
        n = len(predictions)
        verdicts = [getattr(prediction, self._verdict) for prediction in predictions]
        scores = [_scores(prediction)[category] for prediction in predictions for category in self._categories]
        columns = {"columns": ",".join(self._categories)}
        return [
            InferOutput(self._verdict, [n], "BYTES", verdicts),
            InferOutput("scores", [n, len(self._categories)], "FP32", scores, columns),
        ]

    def _validated(self, instances: list[Any]) -> list[TextRequest]:
        validated = super()._validated(instances)
        for index, instance in enumerate(validated):
            if len(instance.text) > MAX_TEXT_CHARACTERS:
                raise InvalidInput(
                    f"instances[{index}].text has {len(instance.text)} characters; send at most {MAX_TEXT_CHARACTERS}."
                )
            try:
                instance.text.encode()
            except UnicodeEncodeError:
                raise InvalidInput(
                    f"instances[{index}].text holds half a surrogate pair; send valid Unicode."
                ) from None
        return validated


def _scores(prediction: TextPrediction) -> dict[str, float]:
    return prediction.scores if isinstance(prediction, SentimentPrediction) else prediction.categories
