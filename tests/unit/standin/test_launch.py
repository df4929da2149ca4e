"""An InferenceService and its runtime become the command that KServe would run, with local paths."""

import sys
from pathlib import Path
from typing import Any

import pytest

from mediareview.errors import MediaReviewError
from serving.objects import ObjectDirectory
from serving.standin.launch import Launch, launches

RUNTIME: dict[str, Any] = {
    "kind": "ServingRuntime",
    "metadata": {"name": "mediareview"},
    "spec": {
        "supportedModelFormats": [{"name": "mediareview-sentiment", "autoSelect": True}],
        "containers": [
            {"name": "sidecar", "command": ["true"]},
            {
                "name": "kserve-container",
                "command": ["python", "-m", "serving.predictors"],
                "args": ["--model_name={{.Name}}", "--model_dir=/mnt/models"],
                "env": [{"name": "THREADS", "value": "1"}, {"name": "WHO", "value": "{{.Name}}"}],
                "readinessProbe": {"httpGet": {"path": "/v2/models/{{.Name}}/ready", "port": 8080}},
            },
        ],
    },
}


@pytest.fixture
def objects(tmp_path: Path) -> ObjectDirectory:
    directory = ObjectDirectory(tmp_path)
    directory.apply(RUNTIME)
    return directory


def service(model: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    predictor = {
        "model": {"modelFormat": {"name": "mediareview-sentiment"}, "storageUri": "file:///m/1", **(model or {})}
    }
    return {"metadata": {"name": "sentiment"}, "spec": {"predictor": predictor, **spec}}


def launch(found: dict[str, Launch | MediaReviewError], name: str = "stable") -> Launch:
    result = found[name]
    assert isinstance(result, Launch), result
    return result


def test_the_command_is_the_containers_with_name_and_path_filled_in(objects: ObjectDirectory) -> None:
    found = launch(launches(service({"runtime": "mediareview", "args": ["--max_batch_size=4"]}), objects))
    assert found.command == (
        sys.executable,
        "-m",
        "serving.predictors",
        "--model_name=sentiment",
        "--model_dir=/m/1",
        "--max_batch_size=4",
    )
    assert dict(found.environment) == {"THREADS": "1", "WHO": "sentiment"}
    assert found.probe_path == "/v2/models/sentiment/ready"


def test_a_model_may_override_the_runtimes_environment(objects: ObjectDirectory) -> None:
    found = launch(launches(service({"env": [{"name": "THREADS", "value": "2"}]}), objects))
    assert dict(found.environment)["THREADS"] == "2"


def test_paths_with_spaces_are_decoded(objects: ObjectDirectory) -> None:
    found = launch(launches(service({"storageUri": "file:///my%20models/1"}), objects))
    assert "--model_dir=/my models/1" in found.command


def test_a_runtime_is_selected_by_model_format(objects: ObjectDirectory) -> None:
    assert launch(launches(service(), objects)).command[0] == sys.executable
    found = launches(service({"modelFormat": {"name": "sklearn"}}), objects)["stable"]
    assert "No ServingRuntime supports the model format 'sklearn'" in str(found)


def test_a_canary_that_cannot_run_leaves_the_stable_predictor_alone(objects: ObjectDirectory) -> None:
    canary = [
        {"trafficPercent": 5, "predictor": {"name": "far", "model": {**service()["spec"]["predictor"]["model"]}}},
        {"trafficPercent": 5, "predictor": {"name": "empty"}},
    ]
    canary[0]["predictor"]["model"]["storageUri"] = "s3://bucket/model"  # type: ignore[index]
    found = launches(service(canary=canary), objects)
    launch(found)
    assert "cannot serve s3://bucket/model" in str(found["far"])
    assert "incomplete" in str(found["empty"])


def test_a_promoted_canary_is_the_same_launch(objects: ObjectDirectory) -> None:
    new = service({"storageUri": "file:///m/2"})["spec"]["predictor"] | {"name": "v2", "labels": {"a": "b"}}
    during = launches(service(canary=[{"trafficPercent": 10, "predictor": new}]), objects)
    after = launches({"metadata": {"name": "sentiment"}, "spec": {"predictor": new}}, objects)
    assert list(during) == ["stable", "v2"]
    assert launch(during, "v2") == launch(after, "v2")
