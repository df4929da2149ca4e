"""How an InferenceService is read: variants, shares, URLs, readiness."""

from typing import Any

import pytest

from serving.objects import VERSION_LABEL, Variant, is_ready, variants


def service(status: dict[str, Any] | None = None, canaries: dict[str, int] | None = None) -> dict[str, Any]:
    canary = [
        {"trafficPercent": percent, "predictor": {"name": name, "labels": {VERSION_LABEL: name[1:]}}}
        for name, percent in (canaries or {}).items()
    ]
    return {
        "metadata": {"name": "sentiment", "generation": 2, "labels": {VERSION_LABEL: "1"}},
        "spec": {"predictor": {"model": {}}, **({"canary": canary} if canary else {})},
        **({"status": status} if status else {}),
    }


def test_without_canaries_everything_goes_to_the_stable_predictor() -> None:
    assert variants(service()) == [Variant(name="stable", version="1", traffic_percent=100, url=None)]


def test_canaries_take_their_share_from_the_stable_one() -> None:
    found = variants(service(canaries={"v2": 30, "v3": 0}))
    assert [(item.name, item.version, item.traffic_percent) for item in found] == [
        ("stable", "1", 70),
        ("v2", "2", 30),
        ("v3", "3", 0),
    ]


def test_urls_and_the_version_that_answers_come_from_the_status() -> None:
    traffic = [{"tag": "stable", "revisionName": "0", "url": "http://127.0.0.1:1"}, {"tag": "v2"}]
    status = {"components": {"predictor": {"traffic": traffic}}}
    stable, canary = variants(service(status, canaries={"v2": 30}))
    assert (stable.version, stable.url) == ("0", "http://127.0.0.1:1")
    assert (canary.version, canary.url) == ("2", None)


def test_a_promoted_predictor_keeps_its_name() -> None:
    promoted = service()
    promoted["spec"]["predictor"]["name"] = "v2"
    assert variants(promoted)[0].name == "v2"


def test_ready_means_the_newest_spec_is_ready() -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert is_ready(service({**ready, "observedGeneration": 2}))
    assert not is_ready(service({**ready, "observedGeneration": 1}))
    assert not is_ready(service({"conditions": [{"type": "Ready", "status": "False"}], "observedGeneration": 2}))
    assert not is_ready(service())


def on_cluster(
    *conditions: tuple[str, str, str], name: str = "", canaries: dict[str, bool] | None = None, uri: str = "s3://b/m"
) -> dict[str, Any]:
    """An InferenceService as KServe's controller leaves it in Standard mode."""
    predictor = {
        "labels": {VERSION_LABEL: "4"},
        "model": {"name": "kserve-container", "runtime": "mediareview", **({"storageUri": uri} if uri else {})},
        **({"name": name} if name else {}),
    }
    canary = [
        {"trafficPercent": 10, "predictor": {"name": name, "labels": {VERSION_LABEL: "5"}}} for name in canaries or {}
    ]
    status = {
        # The host outside the cluster; nobody answers to it in here.
        "address": {"url": "http://sentiment-predictor.ml.svc.cluster.local"},
        "components": {"predictor": {"url": "http://sentiment-predictor-ml.example.com"}},
        "conditions": [{"type": kind, "status": state, "reason": reason} for kind, state, reason in conditions],
        "deploymentMode": "Standard",
        "modelStatus": {
            "copies": {"failedCopies": 0, "totalCopies": 1},
            "states": {"activeModelState": "Loaded", "targetModelState": "Loaded"},
            "transitionStatus": "UpToDate",
        },
        "observedGeneration": 1,  # the Deployment's
        "url": "http://sentiment-ml.example.com",
    }
    if canary:
        status["canaryStatuses"] = [
            {"name": name, "ready": ready, "trafficPercent": 10} for name, ready in (canaries or {}).items()
        ]
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "sentiment", "namespace": "ml", "generation": 7, "resourceVersion": "812"},
        "spec": {"predictor": predictor, **({"canary": canary} if canary else {})},
        **({"status": status} if conditions else {}),
    }


READY = (("IngressReady", "True", ""), ("PredictorReady", "True", ""), ("Ready", "True", ""))


def test_on_a_cluster_the_predictor_answers_at_its_service() -> None:
    assert variants(on_cluster(*READY)) == [Variant("stable", "4", 100, "http://sentiment-predictor.ml.svc")]


def test_a_promoted_predictor_keeps_its_service_too() -> None:
    assert variants(on_cluster(*READY, name="v2")) == [Variant("v2", "4", 100, "http://sentiment-v2-predictor.ml.svc")]


def test_each_canary_has_a_service_which_answers_while_a_pod_of_it_is_available() -> None:
    found = variants(on_cluster(*READY, ("CanaryPredictorReady", "False", ""), canaries={"v2": True, "v3": False}))
    assert found == [
        Variant("stable", "4", 80, "http://sentiment-predictor.ml.svc"),
        Variant("v2", "5", 10, "http://sentiment-v2-predictor.ml.svc"),
        Variant("v3", "5", 10, None),
    ]


@pytest.mark.parametrize(
    ("state", "reason"), [("Unknown", "ReplicaSetUpdated"), ("False", "MinimumReplicasUnavailable")]
)
def test_pods_that_are_replaced_or_partly_unavailable_are_still_called(state: str, reason: str) -> None:
    (stable,) = variants(on_cluster(("PredictorReady", state, reason), ("Ready", state, reason)))
    assert stable.url == "http://sentiment-predictor.ml.svc"


def test_what_was_never_deployed_is_stopped_or_is_not_run_yet_has_no_address() -> None:
    assert variants(on_cluster(*READY, uri=""))[0].url is None
    assert variants(on_cluster(("PredictorReady", "False", "Stopped"), canaries={"v2": True}))[1].url is None
    assert variants(on_cluster(("PredictorReady", "False", "Stopped")))[0].url is None
    assert variants(on_cluster())[0].url is None


def test_on_a_cluster_the_generation_in_the_status_is_not_the_objects_own() -> None:
    assert is_ready(on_cluster(*READY))
    assert not is_ready(on_cluster(("Ready", "Unknown", "ReplicaSetUpdated")))
