"""What the kserve SDK's types become on disk."""

import subprocess
import sys
from typing import Any

from serving.objects import VERSION_LABEL, inference_service, serving_runtime


def empty_names(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value for key, item in value.items() if key == "name" and not item] + empty_names(list(value.values()))
    return [found for item in value for found in empty_names(item)] if isinstance(value, list) else []


def test_one_runtime_serves_the_three_formats() -> None:
    spec = serving_runtime()["spec"]
    formats = {item["name"] for item in spec["supportedModelFormats"]}
    assert formats == {"mediareview-recommender", "mediareview-sentiment", "mediareview-moderation"}
    (container,) = spec["containers"]
    assert container["command"] == ["python", "-m", "serving.predictors"]


def test_an_inference_service_has_what_standard_mode_and_canaries_need() -> None:
    service = inference_service("sentiment", artifact_uri="s3://models/sentiment/3", version="3")
    assert service["metadata"]["annotations"] == {"serving.kserve.io/deploymentMode": "Standard"}
    assert service["metadata"]["labels"] == {VERSION_LABEL: "3"}
    predictor = service["spec"]["predictor"]
    assert predictor["labels"] == {VERSION_LABEL: "3"}
    assert predictor["model"]["storageUri"] == "s3://models/sentiment/3"
    assert predictor["model"]["modelFormat"] == {"name": "mediareview-sentiment"}
    assert predictor["model"]["runtime"] == "mediareview"


def test_the_empty_names_of_the_sdk_are_dropped() -> None:
    assert empty_names([serving_runtime(), inference_service("sentiment", "file:///m", "1")]) == []


def test_readers_do_not_import_the_sdk() -> None:
    code = "import sys, serving.objects, serving.standin; print('kserve' in sys.modules, 'kubernetes' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]
