"""Serving a version at once, in a directory and on a cluster."""

import threading
from pathlib import Path
from typing import Any

import pytest

from components.deployment.deploy import Deployed, deploy
from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.objects import SERVING_RUNTIME, VERSION_LABEL, ObjectDirectory
from tests.kubernetes_api import KubernetesApi

DECLARED = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "sentiment", "namespace": "ml", "labels": {"app.kubernetes.io/part-of": "mediareview"}},
    "spec": {
        "predictor": {
            "minReplicas": 2,
            "labels": {"app.kubernetes.io/name": "sentiment"},
            "model": {"runtime": "mediareview", "resources": {"limits": {"memory": "1Gi"}}},
        },
        "canary": [{"trafficPercent": 10, "predictor": {"name": "next", "labels": {VERSION_LABEL: "9"}}}],
    },
}


def pods(
    server: KubernetesApi, version: str, new: int = 2, name: str = "sentiment-predictor", **progressing: str
) -> None:
    """Write the Deployment as KServe and Kubernetes leave it."""
    server.put(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": "ml"},
            "spec": {"replicas": 2, "template": {"metadata": {"labels": {VERSION_LABEL: version}}}},
        },
        status={
            "observedGeneration": 99,
            "replicas": 2,
            "updatedReplicas": new,
            "availableReplicas": 2,
            "conditions": [{"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", **progressing}],
        },
    )


def stored(server: KubernetesApi) -> dict[str, Any]:
    found = server.get("serving.kserve.io/v1beta1", "inferenceservices", "ml", "sentiment")
    assert found is not None
    return found


def test_in_a_directory_both_objects_are_written(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert deploy("sentiment", "2", "file:///models/2", settings) == Deployed(
        True, "sentiment version 2 is now what is served"
    )
    assert not deploy("sentiment", "2", "file:///models/2", settings).changed
    objects = ObjectDirectory(settings.inference_services)
    assert objects.get("sentiment")["spec"]["predictor"]["model"]["storageUri"] == "file:///models/2"
    assert len(objects.list(SERVING_RUNTIME)) == 1


def test_on_a_cluster_only_artifact_and_version_are_changed(server: KubernetesApi, settings: Settings) -> None:
    server.put(DECLARED)
    pods(server, "2")
    assert deploy("sentiment", "2", "s3://models/2", settings).changed
    found = stored(server)
    predictor = found["spec"]["predictor"]
    assert predictor["model"] == {**DECLARED["spec"]["predictor"]["model"], "storageUri": "s3://models/2"}
    assert predictor["labels"] == {"app.kubernetes.io/name": "sentiment", VERSION_LABEL: "2"}
    assert predictor["minReplicas"] == 2
    assert found["spec"]["canary"] == DECLARED["spec"]["canary"]
    assert found["metadata"]["labels"] == {"app.kubernetes.io/part-of": "mediareview", VERSION_LABEL: "2"}
    assert not [call for call in server.calls if "servingruntimes" in call.path]
    assert not deploy("sentiment", "2", "s3://models/2", settings).changed


def test_what_is_not_declared_is_created(server: KubernetesApi, settings: Settings) -> None:
    pods(server, "2")
    assert deploy("sentiment", "2", "s3://models/2", settings).changed
    assert stored(server)["metadata"]["annotations"] == {"serving.kserve.io/deploymentMode": "Standard"}


def test_the_step_waits_for_the_pods_of_a_promoted_predictor(server: KubernetesApi, settings: Settings) -> None:
    server.put({**DECLARED, "spec": {"predictor": {**DECLARED["spec"]["predictor"], "name": "v1"}}})
    pods(server, "2")  # of another predictor
    pods(server, "1", name="sentiment-v1-predictor")
    done = threading.Event()

    def run() -> None:
        deploy("sentiment", "2", "s3://models/2", settings)
        done.set()

    step = threading.Thread(target=run, daemon=True)
    step.start()
    assert not done.wait(0.2)
    pods(server, "2", new=1, name="sentiment-v1-predictor")
    assert not done.wait(0.2)
    server.fail(503)  # is waited out
    pods(server, "2", name="sentiment-v1-predictor")
    assert done.wait(10)


def test_a_version_that_does_not_start_fails_with_the_reason_and_undoes_nothing(
    server: KubernetesApi, settings: Settings
) -> None:
    failure = {"reason": "ModelLoadFailed", "message": "model.json is missing"}
    server.put(
        DECLARED, status={"modelStatus": {"transitionStatus": "BlockedByFailedLoad", "lastFailureInfo": failure}}
    )
    pods(server, "2", new=1, status="False", reason="ProgressDeadlineExceeded")
    with pytest.raises(MediaReviewError, match="sentiment version 2 does not become ready") as failed:
        deploy("sentiment", "2", "s3://models/2", settings)
    assert "ModelLoadFailed: model.json is missing" in failed.value.message
    assert "What was served before still answers" in failed.value.hint
    assert stored(server)["spec"]["predictor"]["model"]["storageUri"] == "s3://models/2"


def test_a_version_that_takes_too_long_is_told(server: KubernetesApi, settings: Settings) -> None:
    server.put(DECLARED)
    pods(server, "2", new=1)
    with pytest.raises(MediaReviewError, match=r"not become ready: 1 of 2 pods are of the new version"):
        deploy("sentiment", "2", "s3://models/2", settings.model_copy(update={"deploy_timeout_s": 0.1}))


@pytest.mark.parametrize("uri", ["file:///models/2", "mlflow-artifacts:/1/models/2"])
def test_an_artifact_that_pods_cannot_read_is_refused(server: KubernetesApi, settings: Settings, uri: str) -> None:
    with pytest.raises(MediaReviewError, match=f"cannot read {uri}") as refused:
        deploy("sentiment", "2", uri, settings)
    assert "--default-artifact-root s3://" in refused.value.hint
    assert server.calls == []


@pytest.mark.parametrize(
    ("verb", "plural"), [("get", "inferenceservices"), ("patch", "inferenceservices"), ("get", "deployments")]
)
def test_a_missing_permission_is_named(server: KubernetesApi, settings: Settings, verb: str, plural: str) -> None:
    server.put(DECLARED)
    server.forbid(verb, plural)
    with pytest.raises(MediaReviewError, match=f"does not permit to {verb} {plural}"):
        deploy("sentiment", "2", "s3://models/2", settings)
