"""Moderation behind the model server: the text is judged first, then what is known of its author."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mediareview.artifact import Manifest
from mediareview.contracts.prediction import ModerationPrediction, TextRequest
from serving.online_features import Author, OnlineFeatures
from serving.predictors.text import TextPrediction, TextPredictor

if TYPE_CHECKING:
    from serving.scorers.text import TextClassifier

MIN_JUDGED = 3
"""Texts of an author that must have been judged before their conduct counts."""
FLAGGED_SHARE = 0.5
"""Share of them found spam, abusive or inappropriate, from which on a person looks at all that the author writes."""


class ModerationPredictor(TextPredictor):
    """Judges texts, and sends to review what a repeat offender writes.

    Conduct never blocks and never changes a category's probability: those speak of the text alone.
    """

    def __init__(
        self, name: str, manifest: Manifest, scorer: "TextClassifier", features: OnlineFeatures, **limits: Any
    ) -> None:
        self._features = features
        self._features.authors([""])  # opening the store takes seconds, which no caller should wait for
        super().__init__(name, manifest, scorer, **limits)

    def score(self, instances: list[TextRequest]) -> Sequence[TextPrediction]:
        """Return what to do with the texts."""
        predictions = super().score(instances)
        author_ids = {instance.author_id for instance in instances if instance.author_id is not None}
        authors = self._features.authors(author_ids) if author_ids else {}
        return [
            _with_conduct(prediction, authors.get(instance.author_id or ""))
            for instance, prediction in zip(instances, predictions, strict=True)
        ]


def _with_conduct(prediction: TextPrediction, author: Author | None) -> TextPrediction:
    if not isinstance(prediction, ModerationPrediction) or author is None or author.judged_count < MIN_JUDGED:
        return prediction
    if author.flagged_count < FLAGGED_SHARE * author.judged_count:
        return prediction
    reason = f"author: {author.flagged_count} of {author.judged_count} judged texts were flagged"
    action = "review" if prediction.action == "allow" else prediction.action
    return prediction.model_copy(update={"action": action, "reasons": [*prediction.reasons, reason]})
