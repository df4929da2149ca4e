"""Deploying beside what is served: a rollout, on the laptop and on a cluster, and what keeps it from being started."""

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.deployment import deploy as deployment
from components.deployment.deploy import ACTOR, Deployed, deploy
from mediareview.artifact import Manifest, save_manifest
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Object
from mediareview.settings import Settings
from serving.objects import VERSION_LABEL, ObjectDirectory
from serving.rollouts import candidate
from serving.rollouts.operations import Rollouts
from serving.rollouts.rollout import Rollout, rollout_of
from tests.kubernetes_api import KubernetesApi
from tests.rollout_world import BUILT, status_of

NAME = "sentiment"
RESOURCE = ("serving.kserve.io/v1beta1", "inferenceservices", "ml", NAME)


class Laptop:
    """A home with artifacts of five versions; the first is served."""

    def __init__(self, root: Path) -> None:
        self.settings = Settings(home=root / "home")
        self.root = root
        self.objects = ObjectDirectory(self.settings.inference_services)
        for version in "12345":
            directory = root / version
            directory.mkdir()
            save_manifest(directory, Manifest(name=NAME, variety="test", version=version))
        assert self.deploy("1").changed

    def deploy(self, version: str, **options: Any) -> Deployed:
        return deploy(NAME, version, (self.root / version).as_uri(), self.settings, **options)

    def rollouts(self) -> Rollouts:
        return Rollouts.from_settings(self.settings)

    def current(self) -> Rollout:
        rollout = self.rollouts().current(NAME)
        assert rollout is not None
        return rollout


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path)


def test_a_second_version_is_put_beside_the_first_and_waits_for_the_controller(laptop: Laptop) -> None:
    deployed = laptop.deploy("2")
    assert deployed.changed
    assert (
        deployed.told == "sentiment version 2 is starting at 0 %; follow it with: mediareview rollout status sentiment"
    )
    rollout = laptop.current()
    assert (rollout.phase, rollout.candidate.version, rollout.stable_version) == ("starting", "2", "1")
    assert [change.actor for change in laptop.rollouts().history(NAME)] == [ACTOR]


def test_deploying_it_again_changes_nothing(laptop: Laptop) -> None:
    laptop.deploy("2")
    before = laptop.objects.get(NAME)
    assert laptop.deploy("2") == Deployed(
        False, "sentiment version 2 is starting at 0 %; follow it with: mediareview rollout status sentiment"
    )
    assert laptop.deploy("1") == Deployed(False, "sentiment version 1 is already what is served")
    assert laptop.objects.get(NAME) == before


@pytest.mark.parametrize("strategy", ["rollout", "replace"])
def test_a_busy_service_is_not_deployed_to(laptop: Laptop, strategy: str) -> None:
    laptop.deploy("2")
    before = laptop.objects.get(NAME)
    with pytest.raises(MediaReviewError, match="busy: sentiment version 2 is starting at 0 %, so version 3") as refused:
        laptop.deploy("3", strategy=strategy)
    assert "mediareview rollout start sentiment --version 3" in refused.value.hint
    assert laptop.objects.get(NAME) == before


def test_a_candidate_is_promoted_and_not_put_in_place_of_what_it_is_compared_with(laptop: Laptop) -> None:
    laptop.deploy("2")
    before = laptop.objects.get(NAME)
    with pytest.raises(MediaReviewError, match="busy"):
        laptop.deploy("2", strategy="replace")
    assert laptop.objects.get(NAME) == before


def test_what_was_rolled_back_is_not_tried_again_by_itself(laptop: Laptop) -> None:
    laptop.deploy("2")
    laptop.rollouts().roll_back(NAME, actor="ana", reason="too slow")
    before = laptop.objects.get(NAME)
    deployed = laptop.deploy("2")
    assert not deployed.changed
    assert "was rolled back before and is not tried again: too slow" in deployed.told
    assert "mediareview rollout start sentiment --version 2 --again" in deployed.told
    assert laptop.objects.get(NAME) == before
    assert laptop.deploy("3").changed


def test_replacing_needs_no_comparison(laptop: Laptop) -> None:
    assert laptop.deploy("2", strategy="replace") == Deployed(True, "sentiment version 2 is now what is served")
    assert laptop.objects.get(NAME)["spec"]["predictor"]["model"]["storageUri"].endswith("/2")


def test_a_damaged_artifact_becomes_no_candidate(laptop: Laptop) -> None:
    (laptop.root / "2" / "model.json").unlink()
    before = laptop.objects.get(NAME)
    with pytest.raises(MediaReviewError, match=r"holds no model\.json"):
        laptop.deploy("2")
    assert laptop.objects.get(NAME) == before


def test_a_way_that_does_not_exist_is_refused(laptop: Laptop) -> None:
    with pytest.raises(MediaReviewError, match="no way of deployment 'hope'"):
        laptop.deploy("2", strategy="hope")


def stored(server: KubernetesApi) -> Object:
    found = server.get(*RESOURCE)
    assert found is not None
    return found


def current(server: KubernetesApi) -> Rollout | None:
    return rollout_of(stored(server))


@pytest.fixture
def served(server: KubernetesApi, monkeypatch: pytest.MonkeyPatch) -> KubernetesApi:
    """A cluster that serves version 1, with a bucket that holds the others."""
    server.put({**BUILT, "metadata": {**BUILT["metadata"], "namespace": "ml"}})

    class Bucket:
        def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
            assert Bucket == "models"
            version = Key.split("/")[0]
            return {"Body": io.BytesIO(Manifest(name=NAME, variety="test", version=version).model_dump_json().encode())}

    monkeypatch.setattr("mediareview.s3.s3_client", lambda settings: Bucket())
    return server


def pods_of_canary(server: KubernetesApi, **condition: str) -> None:
    server.put(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": f"{NAME}-v2-predictor", "namespace": "ml"},
            "spec": {"replicas": 1, "template": {"metadata": {"labels": {VERSION_LABEL: "2"}}}},
        },
        status={
            "observedGeneration": 99, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 0 if condition else 1,
            "conditions": [{"type": "Progressing", "status": "True", **condition}],
        },
    )  # fmt: skip


def until(happens: Callable[[], bool]) -> None:
    ready = threading.Event()
    for _ in range(2000):
        if happens():
            return
        ready.wait(0.01)
    pytest.fail("did not happen")


def test_on_a_cluster_the_step_waits_for_the_candidate_and_lets_it_in(
    served: KubernetesApi, settings: Settings
) -> None:
    done: list[Deployed] = []
    step = threading.Thread(target=lambda: done.append(deploy(NAME, "2", "s3://models/2", settings)), daemon=True)
    step.start()
    until(lambda: current(served) is not None)
    assert done == []
    pods_of_canary(served)
    served.set_status(*RESOURCE, status_of(stored(served)))
    step.join(20)
    assert done[0].told.startswith("sentiment version 2 is running at 10 %")
    assert stored(served)["spec"]["canary"][0]["trafficPercent"] == 10
    assert stored(served)["spec"]["predictor"] == BUILT["spec"]["predictor"]


def test_on_a_cluster_a_candidate_that_does_not_start_is_taken_back(served: KubernetesApi, settings: Settings) -> None:
    pods_of_canary(served, reason="ProgressDeadlineExceeded", message="timed out progressing")
    with pytest.raises(MediaReviewError, match="version 2 does not become ready: timed out progressing") as failed:
        deploy(NAME, "2", "s3://models/2", settings)
    assert "what was served before never stopped" in failed.value.hint
    rollout = current(served)
    assert rollout is not None
    assert rollout.phase == "rolled_back"
    assert stored(served)["spec"] == BUILT["spec"]


def test_on_a_cluster_an_interrupted_step_goes_on_waiting(served: KubernetesApi, settings: Settings) -> None:
    hasty = settings.model_copy(update={"deploy_timeout_s": 0.0})
    rollouts = Rollouts.from_settings(settings)
    started = rollouts.start(
        NAME, candidate.Candidate(version="2", uri="s3://models/2", predictor="v2"), deployment.Plan(), ACTOR, ""
    )
    pods_of_canary(served)
    served.set_status(*RESOURCE, status_of(stored(served)))
    assert deploy(NAME, "2", "s3://models/2", hasty).told.startswith("sentiment version 2 is running at 10 %")
    rollout = current(served)
    assert rollout is not None
    assert rollout.id == started.id


def test_on_a_cluster_an_artifact_of_another_version_is_refused(served: KubernetesApi, settings: Settings) -> None:
    before = stored(served)
    with pytest.raises(MediaReviewError, match="holds sentiment version 3, not sentiment version 2"):
        deploy(NAME, "2", "s3://models/3", settings)
    assert stored(served) == before
