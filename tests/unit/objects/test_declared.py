"""What the manifests declare is what the laptop runs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.objects import inference_service, serving_runtime

SERVING = Path(__file__).resolve().parents[3] / "manifests/base/serving"


def declared(file: str, kind: str) -> dict[str, Any]:
    """Objects of a kind in a file, by name."""
    items = yaml.safe_load_all((SERVING / file).read_text())
    return {item["metadata"]["name"]: item for item in items if item["kind"] == kind}


def test_the_runtime_starts_the_same_server_in_the_same_way() -> None:
    built = serving_runtime()
    runtime = declared("serving-runtime.yaml", "ServingRuntime")[built["metadata"]["name"]]
    for field in ("multiModel", "protocolVersions", "supportedModelFormats"):
        assert runtime["spec"][field] == built["spec"][field]
    (container,), (expected,) = runtime["spec"]["containers"], built["spec"]["containers"]
    for field in ("name", "command", "args", "ports"):
        assert container[field] == expected[field]
    environment = {item["name"]: item.get("value") for item in container["env"]}
    assert {item["name"]: item["value"] for item in expected["env"]}.items() <= environment.items()
    assert container["readinessProbe"]["httpGet"] == expected["readinessProbe"]["httpGet"]


@pytest.mark.parametrize("model", ["recommender", "sentiment", "moderation"])
def test_an_inference_service_lacks_only_what_a_deployment_brings(model: str) -> None:
    built = inference_service(model, artifact_uri="s3://bucket/models/1", version="1")
    service = declared("inference-services.yaml", "InferenceService")[model]
    assert built["metadata"]["annotations"].items() <= service["metadata"]["annotations"].items()
    ours, expected = service["spec"]["predictor"]["model"], built["spec"]["predictor"]["model"]
    assert "storageUri" not in ours
    assert {**ours, "storageUri": expected["storageUri"]}.items() >= expected.items()
