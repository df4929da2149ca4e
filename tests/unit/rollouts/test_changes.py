"""What a rollout writes into an InferenceService is what KServe admits, and restarts nothing when it is promoted."""

from typing import Any

import pytest

from mediareview.kubernetes import Object
from serving.objects import VERSION_LABEL, ObjectDirectory, inference_service, serving_runtime
from serving.rollouts import changes
from serving.rollouts.rollout import Candidate
from serving.standin.launch import launches
from tests.unit.manifests import kserve
from tests.unit.manifests.policies import inference_services
from tests.unit.manifests.render import Render, load, overlays

CANDIDATE = Candidate(version="2", uri="s3://models/2", predictor="v2")


def rendered() -> Render:
    return load(overlays()[0])


def deployed(name: str) -> Object:
    """An InferenceService as the manifests declare it, with a version served."""
    service = rendered().find("InferenceService", name, "mediareview")
    assert service is not None
    spec = service["spec"]
    predictor = {**spec["predictor"], "model": {**spec["predictor"]["model"], "storageUri": "s3://models/1"}}
    predictor["labels"] = {**predictor["labels"], VERSION_LABEL: "1"}
    metadata = {**service["metadata"], "labels": {**service["metadata"]["labels"], VERSION_LABEL: "1"}}
    return {**service, "metadata": metadata, "spec": {**spec, "predictor": predictor}}


def complaints(service: Object) -> list[Any]:
    render = rendered()
    rest = [item for item in render.objects if item["kind"] != "InferenceService"]
    return list(inference_services.check(render.with_objects([*rest, service])))


@pytest.fixture(params=["recommender", "sentiment", "moderation"])
def service(request: pytest.FixtureRequest) -> Object:
    return deployed(request.param)


def test_kserve_admits_the_canary_at_every_stage(service: Object) -> None:
    started = changes.with_canary(service, CANDIDATE)
    for stage in (
        started,
        changes.with_traffic(started, 30),
        changes.promoted(started),
        changes.without_canary(started),
    ):
        assert complaints(stage) == []


def test_a_canary_is_the_stable_predictor_with_another_version(service: Object) -> None:
    (entry,) = changes.with_canary(service, CANDIDATE)["spec"]["canary"]
    stable, canary = service["spec"]["predictor"], entry["predictor"]
    assert entry["trafficPercent"] == 0
    assert (canary["name"], canary["model"]["storageUri"]) == ("v2", "s3://models/2")
    assert canary["labels"] == {**stable["labels"], VERSION_LABEL: "2"}
    assert canary["minReplicas"] == stable["minReplicas"]
    assert canary["securityContext"] == stable["securityContext"]
    assert not {"maxReplicas", "scaleTarget", "scaleMetric"} & set(canary)


def test_promotion_restarts_no_pod_and_keeps_the_scaling(service: Object) -> None:
    started = changes.with_canary(service, CANDIDATE)
    promoted = changes.promoted(changes.with_traffic(started, 50))
    before = next(item for item in kserve.predictors(started, rendered()) if item.canary)
    (after,) = kserve.predictors(promoted, rendered())
    assert (after.service, after.labels, after.spec) == (before.service, before.labels, before.spec)
    old, new = service["spec"]["predictor"], promoted["spec"]["predictor"]
    for field in ("minReplicas", "maxReplicas", "scaleTarget", "scaleMetric"):
        assert new[field] == old[field]
    assert promoted["metadata"]["labels"][VERSION_LABEL] == "2"
    assert "canary" not in promoted["spec"]


def test_rolling_back_leaves_what_was_there(service: Object) -> None:
    assert changes.without_canary(changes.with_canary(service, CANDIDATE)) == service


def test_nothing_is_changed_in_place(service: Object) -> None:
    before = deployed(service["metadata"]["name"])
    started = changes.with_canary(service, CANDIDATE)
    copy = changes.with_canary(service, CANDIDATE)
    changes.with_traffic(started, 30)
    changes.promoted(started)
    assert (service, started) == (before, copy)


def test_the_stand_in_goes_on_with_the_canarys_process(tmp_path: Any) -> None:
    objects = ObjectDirectory(tmp_path)
    objects.apply(serving_runtime())
    service = inference_service("sentiment", "file:///models/1", "1")
    started = changes.with_canary(service, Candidate(version="2", uri="file:///models/2", predictor="v2"))
    promoted = changes.promoted(started)
    assert launches(promoted, objects) == {"v2": launches(started, objects)["v2"]}


def test_a_canary_never_takes_the_name_of_what_is_served(service: Object) -> None:
    assert changes.canary_name(service, "2") == "v2"
    promoted = changes.promoted(changes.with_canary(service, CANDIDATE))
    assert changes.canary_name(promoted, "2") == "v2-2"
