"""V1 and V2 requests, good and bad, against predictors with tiny scorers."""

import asyncio
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kserve import InferInput, InferRequest
from kserve.errors import InvalidInput
from prometheus_client import REGISTRY

from mediareview.artifact import Manifest
from mediareview.contracts.prediction import (
    ModerationPrediction,
    RecommendationPrediction,
    RecommendationRequest,
    RecommendedItem,
    SentimentPrediction,
)
from mediareview.settings import Settings
from serving.online_features import OnlineFeatures
from serving.predictors.predictor import MAX_INSTANCES, Predictor
from serving.predictors.recommendation import RecommendationPredictor
from serving.predictors.text import MAX_TEXT_CHARACTERS, TextPredictor

LIMITS = {"max_batch_size": 8, "max_wait_s": 0.0, "max_queue": 1000}
names = (f"model-{number}" for number in itertools.count())


class TinySentiment:
    def predictions(self, texts: Sequence[str]) -> list[SentimentPrediction]:
        return [
            SentimentPrediction(
                label="positive" if "good" in text else "negative",
                scores={"negative": 0.25, "neutral": 0.25, "positive": 0.5},
            )
            for text in texts
        ]


class TinyModeration:
    def predictions(self, texts: Sequence[str]) -> list[ModerationPrediction]:
        categories = {"spam": 0.125, "abusive": 0.5, "inappropriate": 0.0}
        return [ModerationPrediction(action="block", categories=categories, reasons=["why"]) for _ in texts]


class TinyRecommender:
    def recommend(self, request: RecommendationRequest, user: Any) -> RecommendationPrediction:
        item = RecommendedItem(media_id=f"for-{request.user_id}", title="Alien", score=1.0)
        return RecommendationPrediction(items=[item] * request.limit)


@pytest.fixture
def sentiment() -> Predictor[Any, Any]:
    return TextPredictor(
        next(names), Manifest(name="sentiment", variety="tiny", version="7"), TinySentiment(), **LIMITS
    )  # type: ignore[arg-type]


@pytest.fixture
def moderation() -> Predictor[Any, Any]:
    return TextPredictor(
        next(names), Manifest(name="moderation", variety="tiny", version="7"), TinyModeration(), **LIMITS
    )  # type: ignore[arg-type]


@pytest.fixture
def recommender(tmp_path: Path) -> Predictor[Any, Any]:
    manifest = Manifest(name="recommender", variety="tiny", version="7")
    return RecommendationPredictor(
        next(names), manifest, TinyRecommender(), OnlineFeatures(Settings(home=tmp_path)), **LIMITS
    )  # type: ignore[arg-type]


def ask(predictor: Predictor[Any, Any], payload: Any) -> Any:
    async def call() -> Any:
        response, _ = await predictor(payload)
        return response

    return asyncio.run(call())


def tensor(name: str, elements: list[Any], shape: list[int] | None = None, datatype: str = "BYTES") -> InferRequest:
    return InferRequest("m", [InferInput(name, shape or [len(elements)], datatype, data=elements)])


def test_v1_answers_every_instance_in_order(sentiment: Predictor[Any, Any]) -> None:
    answer = ask(sentiment, {"instances": [{"text": "good"}, {"text": "dull"}]})
    assert [item["label"] for item in answer["predictions"]] == ["positive", "negative"]
    assert answer["predictions"][0]["scores"] == {"negative": 0.25, "neutral": 0.25, "positive": 0.5}


def test_answers_carry_model_and_version_in_headers(sentiment: Predictor[Any, Any]) -> None:
    async def headers() -> Any:
        _, found = await sentiment({"instances": [{"text": "good"}]})
        return found

    assert asyncio.run(headers()) == {"x-model-name": sentiment.name, "x-model-version": "7"}


def test_v2_says_the_same_as_v1_in_tensors(sentiment: Predictor[Any, Any]) -> None:
    answer, _ = ask(sentiment, tensor("text", ["good", "dull"])).to_rest()
    label, scores = answer["outputs"]
    assert (answer["model_version"], label["name"], label["data"]) == ("7", "label", ["positive", "negative"])
    assert (scores["shape"], scores["parameters"]) == ([2, 3], {"columns": "negative,neutral,positive"})
    assert scores["data"] == [0.25, 0.25, 0.5] * 2


def test_v2_takes_binary_tensors(sentiment: Predictor[Any, Any]) -> None:
    request = InferInput("text", [2], "BYTES")
    request.set_data_from_numpy(np.array(["good", "dull \u00e9".encode()], dtype=object), binary_data=True)
    answer, _ = ask(sentiment, InferRequest("m", [request])).to_rest()
    assert answer["outputs"][0]["data"] == ["positive", "negative"]


def test_v2_of_moderation_gives_actions_and_category_scores(moderation: Predictor[Any, Any]) -> None:
    answer, _ = ask(moderation, tensor("text", ["x"])).to_rest()
    action, scores = answer["outputs"]
    assert (action["name"], action["data"]) == ("action", ["block"])
    assert scores["data"] == [0.125, 0.5, 0.0]


def test_v2_of_the_recommender_carries_the_v1_json(recommender: Predictor[Any, Any]) -> None:
    request = {"user_id": "196", "limit": 2}
    (v1,) = ask(recommender, {"instances": [request]})["predictions"]
    answer, _ = ask(recommender, tensor("request", [json.dumps(request)])).to_rest()
    assert json.loads(answer["outputs"][0]["data"][0]) == v1
    assert [item["media_id"] for item in v1["items"]] == ["for-196", "for-196"]


def test_metadata_declares_what_goes_in_and_out(
    sentiment: Predictor[Any, Any], moderation: Predictor[Any, Any], recommender: Predictor[Any, Any]
) -> None:
    assert sentiment.get_input_types() == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert [item["name"] for item in sentiment.get_output_types()] == ["label", "scores"]
    assert [item["name"] for item in moderation.get_output_types()] == ["action", "scores"]
    assert [item["name"] for item in recommender.get_output_types()] == ["prediction"]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"text", "application/json"),
        ([], "instances"),
        ({}, "instances"),
        ({"instances": {"text": "x"}}, '"instances" to be a list|list of instances'),
        ({"instances": ["x"]}, r"instances\[0\]: .*An instance looks like"),
        ({"instances": [{"text": "x"}, {"txt": "x"}]}, r"instances\[1\]\.text: Field required"),
        ({"instances": [{"text": None}]}, r"instances\[0\]\.text: Input should be a valid string"),
        ({"instances": [{"text": "x" * (MAX_TEXT_CHARACTERS + 1)}]}, "characters; send at most"),
        ({"instances": [{"text": "\ud800"}]}, "surrogate|unicode"),
        ({"instances": [{"text": "x"}] * (MAX_INSTANCES + 1)}, f"at most {MAX_INSTANCES}"),
    ],
)
def test_bad_v1_requests_are_told_what_to_do(sentiment: Predictor[Any, Any], payload: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        ask(sentiment, payload)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (tensor("txt", ["x"]), "named 'text'"),
        (tensor("text", [1.0], datatype="FP32"), "BYTES tensor"),
        (tensor("text", ["x", "y"], shape=[3]), "does not fit its shape"),
        (tensor("text", [b"\xff"]), "not UTF-8"),
    ],
)
def test_bad_v2_requests_are_told_what_to_do(sentiment: Predictor[Any, Any], request_: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        ask(sentiment, request_)


def test_bad_json_in_a_recommendation_tensor_is_told_what_to_do(recommender: Predictor[Any, Any]) -> None:
    for element, message in (("{", "must hold JSON"), ("[]", "An instance looks like"), ('{"limit": 0}', "limit")):
        with pytest.raises(InvalidInput, match=message):
            ask(recommender, tensor("request", [element]))


def test_requests_and_errors_are_counted_by_model_and_version(sentiment: Predictor[Any, Any]) -> None:
    ask(sentiment, {"instances": [{"text": "good"}]})
    with pytest.raises(InvalidInput):
        ask(sentiment, {"instances": [{}]})
    labels = {"model_name": sentiment.name, "model_version": "7", "protocol": "v1"}
    assert REGISTRY.get_sample_value("mediareview_predictor_requests_total", labels) == 2
    errors = {**labels, "reason": "invalid"}
    assert REGISTRY.get_sample_value("mediareview_predictor_errors_total", errors) == 1


def test_without_an_online_store_users_are_unknown_and_one_warning_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    users = OnlineFeatures(Settings(home=tmp_path))
    assert [users.user_state("196"), users.user_state("197")] == [None, None]
    (warning,) = [record.getMessage() for record in caplog.records if "online" in record.getMessage()]
    assert "users look unknown" in warning
    assert str(tmp_path / "features") in warning
