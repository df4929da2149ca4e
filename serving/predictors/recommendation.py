"""The recommender behind the model server."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kserve import InferOutput
from kserve.errors import InvalidInput

from mediareview.artifact import Manifest
from mediareview.contracts.prediction import RecommendationPrediction, RecommendationRequest
from serving.online_features import OnlineFeatures
from serving.predictors.predictor import Predictor

if TYPE_CHECKING:
    from serving.scorers.recommender import Recommender


class RecommendationPredictor(Predictor[RecommendationRequest, RecommendationPrediction]):
    """Recommends titles; V2: BYTES ``request`` [n] to BYTES ``prediction`` [n], each element the V1 JSON.

    Requests are scored one by one: numpy gains nothing from scoring users together, and the first would wait.
    """

    instance = RecommendationRequest
    example = '{"user_id": "196", "limit": 20} or {"history": ["50", "181"], "limit": 20}'
    input_name = "request"
    outputs = (("prediction", "BYTES", (-1,)),)

    def __init__(
        self, name: str, manifest: Manifest, scorer: "Recommender", users: OnlineFeatures, **limits: Any
    ) -> None:
        super().__init__(name, manifest, **{**limits, "max_batch_size": 1})
        self._scorer = scorer
        self._users = users
        self.score([RecommendationRequest(user_id="", limit=1)])
        self.ready = True

    def score(self, instances: list[RecommendationRequest]) -> Sequence[RecommendationPrediction]:
        """Return recommendations, with what the online store knows of each user."""
        return [
            self._scorer.recommend(
                request, self._users.user_state(request.user_id) if request.user_id is not None else None
            )
            for request in instances
        ]

    def from_text(self, element: str) -> Any:
        """Return the instance that an element's JSON describes."""
        try:
            return json.loads(element)
        except json.JSONDecodeError as error:
            raise InvalidInput(f"Tensor 'request' must hold JSON such as {self.example}: {error}.") from None

    def to_tensors(self, predictions: list[RecommendationPrediction]) -> list[InferOutput]:
        """Return the predictions as JSON."""
        elements = [prediction.model_dump_json() for prediction in predictions]
        return [InferOutput("prediction", [len(elements)], "BYTES", elements)]
