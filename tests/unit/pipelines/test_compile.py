"""The pipelines compile to IR that a Kubeflow server accepts, built from the same eight components."""

from pathlib import Path

import pytest
import yaml

from mediareview.errors import MediaReviewError
from pipelines.catalogue import PIPELINE_NAMES, STEPS
from pipelines.compile import compile_pipeline


@pytest.fixture(scope="module", params=PIPELINE_NAMES)
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict:
    path = compile_pipeline(request.param, tmp_path_factory.mktemp("compiled"))
    document = yaml.safe_load(path.read_text())
    assert document["pipelineInfo"]["name"] == request.param
    return document


def test_every_step_is_a_task(compiled: dict) -> None:
    assert set(compiled["root"]["dag"]["tasks"]) == set(STEPS)


def test_what_reads_or_changes_the_world_is_never_cached_and_the_rest_always(compiled: dict) -> None:
    tasks = compiled["root"]["dag"]["tasks"]
    uncached = {name for name, task in tasks.items() if not task["cachingOptions"].get("enableCache")}
    assert uncached == {"pin", "register", "deploy"}


def test_steps_install_nothing_when_they_start(compiled: dict) -> None:
    for executor in compiled["deploymentSpec"]["executors"].values():
        assert "pip install" not in " ".join(executor["container"]["command"])


def test_parameters_have_defaults(compiled: dict) -> None:
    parameters = compiled["root"]["inputDefinitions"]["parameters"]
    assert {name: value.get("defaultValue") for name, value in parameters.items()} == {
        "profile": "demo",
        "overrides": {},
        "min_gain": 0.0,
    }


def test_an_unknown_pipeline_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(MediaReviewError, match="train-recommender, train-sentiment, train-moderation"):
        compile_pipeline("train-nothing", tmp_path)
