"""How an InferenceService is read: variants, shares, URLs, readiness."""

from typing import Any

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
