"""What the API makes of InferenceService objects with a canary, and how soon."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from serving.api.directory import CHECK_INTERVAL_S, DeployedPredictors, deployment_of
from serving.objects import Object, ObjectDirectory
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import ANNOTATION, Candidate, Rollout


def service(percent: int | None, annotation: str = "") -> Object:
    canary = [{"trafficPercent": percent, "predictor": {"name": "v4", "model": {}}}] if percent is not None else None
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "sentiment", "annotations": {ANNOTATION: annotation} if annotation else {}},
        "spec": {"predictor": {"model": {}}, **({"canary": canary} if canary else {})},
    }


def rollout(mode: str = "canary") -> str:
    now = datetime.now(UTC)
    return Rollout(
        id="r-1",
        model="sentiment",
        candidate=Candidate(version="4", uri="file:///4", predictor="v4"),
        stable_version="3",
        stable_predictor="stable",
        plan=Plan.model_validate({"mode": mode, "max_percent": 40}),
        phase="running",
        traffic_percent=10,
        sequence=2,
        started_at=now,
        changed_at=now,
        reason="",
    ).model_dump_json()


def test_percentages_follow_the_object_within_a_second(tmp_path: Path) -> None:
    assert CHECK_INTERVAL_S < 0.5
    objects, predictors = ObjectDirectory(tmp_path), DeployedPredictors(tmp_path)
    objects.apply(service(None))
    deployment = predictors.find("sentiment")
    assert deployment is not None
    assert deployment.experiment is None
    for percent in (0, 10, 20, 50):
        objects.apply(service(percent, rollout()))
        time.sleep(2 * CHECK_INTERVAL_S)
        deployment = predictors.find("sentiment")
        assert deployment is not None
        assert deployment.experiment is not None
        assert (deployment.experiment.id, deployment.experiment.traffic_percent) == ("r-1", percent)
        assert [variant.traffic_percent for variant in deployment.variants] == [100 - percent, percent]


def test_an_annotation_that_cannot_be_read_takes_no_model_away(caplog: pytest.LogCaptureFixture) -> None:
    deployment = deployment_of(service(10, '{"id": 7'))
    assert deployment.experiment is not None
    assert (deployment.experiment.canary, deployment.experiment.traffic_percent) == ("v4", 10)
    assert "cannot be read" in caplog.text


def test_the_plan_says_who_is_the_control_group() -> None:
    experiment = deployment_of(service(10, rollout())).experiment
    assert experiment is not None
    assert (experiment.mode, experiment.max_percent) == ("canary", 40)


def test_in_shadow_mode_the_plan_says_how_much_is_copied() -> None:
    experiment = deployment_of(service(0, rollout("shadow"))).experiment
    assert experiment is not None
    assert (experiment.mode, experiment.traffic_percent) == ("shadow", 10)
