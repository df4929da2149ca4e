"""Objects of a cluster behave as those of a directory do."""

from collections.abc import Iterator
from typing import Any

import pytest

from mediareview import kubernetes
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Access, Kubernetes
from mediareview.settings import Settings
from serving.objects import SERVING_RUNTIME, ConflictError, MissingError, ObjectDirectory, open_objects
from serving.objects.cluster import ClusterObjects
from tests.kubernetes_api import KubernetesApi, running


def service(uri: str = "s3://models/1", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "sentiment"},
        "spec": {"predictor": {"model": {"storageUri": uri}}, **spec},
    }


DECLARED = {
    **service(),
    "metadata": {"name": "sentiment", "namespace": "ml", "labels": {"app.kubernetes.io/name": "sentiment"}},
    "spec": {"predictor": {"minReplicas": 2, "model": {"runtime": "mediareview", "resources": {"limits": {"cpu": 1}}}}},
}
CANARY = [{"trafficPercent": 10, "predictor": {"name": "next"}}]


@pytest.fixture
def server() -> Iterator[KubernetesApi]:
    with running() as server:
        yield server


@pytest.fixture
def objects(server: KubernetesApi, monkeypatch: pytest.MonkeyPatch) -> ClusterObjects:
    monkeypatch.setattr(kubernetes, "RETRY_DELAYS_S", (0.0,))
    return ClusterObjects("ml", Kubernetes(Access(server.url, lambda: f"Bearer {server.token}", None)))


def test_what_is_declared_keeps_all_that_is_not_named(objects: ClusterObjects, server: KubernetesApi) -> None:
    server.put(DECLARED, status={"url": "a"})
    assert objects.apply(service("s3://models/2", canary=CANARY))
    stored = objects.get("sentiment")
    assert stored["spec"]["predictor"] == {
        "minReplicas": 2,
        "model": {"runtime": "mediareview", "resources": {"limits": {"cpu": 1}}, "storageUri": "s3://models/2"},
    }
    assert stored["metadata"]["labels"] == {"app.kubernetes.io/name": "sentiment"}
    assert (stored["spec"]["canary"], stored["status"]) == (CANARY, {"url": "a"})


def test_applying_what_is_there_writes_nothing(objects: ClusterObjects, server: KubernetesApi) -> None:
    assert objects.apply(service())
    assert not objects.apply(service())
    assert server.verbs() == ["get", "create", "get"]


def test_an_object_that_appears_meanwhile_is_merged_into(objects: ClusterObjects, server: KubernetesApi) -> None:
    server.put(DECLARED)
    server.fail(404, verb="get")  # as it was a moment ago
    assert objects.apply(service("s3://models/2"))
    assert server.verbs() == ["get", "create", "patch"]
    assert objects.get("sentiment")["spec"]["predictor"]["minReplicas"] == 2


def test_replacing_what_somebody_else_changed_is_refused(objects: ClusterObjects) -> None:
    objects.apply(service())
    read = objects.get("sentiment")
    assert not objects.replace(read)
    objects.apply(service("s3://models/2"))
    with pytest.raises(ConflictError, match="changed by somebody else"):
        objects.replace({**read, "spec": {}})
    again = objects.get("sentiment")
    again["spec"]["canary"] = CANARY
    assert objects.replace(again)
    assert objects.get("sentiment")["spec"]["canary"] == CANARY
    objects.delete("sentiment")
    with pytest.raises(ConflictError):
        objects.replace(again)
    with pytest.raises(ConflictError):
        objects.replace(service())


def test_kinds_and_namespaces_are_kept_apart(objects: ClusterObjects, server: KubernetesApi) -> None:
    server.put({**DECLARED, "metadata": {"name": "other", "namespace": "elsewhere"}})
    runtime = {"apiVersion": "serving.kserve.io/v1alpha1", "kind": "ServingRuntime"}
    server.put({**runtime, "metadata": {"name": "mediareview", "namespace": "ml"}})
    objects.apply(service())
    assert [item["metadata"]["name"] for item in objects.list()] == ["sentiment"]
    assert [item["metadata"]["name"] for item in objects.list(SERVING_RUNTIME)] == ["mediareview"]
    with pytest.raises(MediaReviewError, match="not kept here"):
        objects.list("Pod")


def test_a_missing_object_says_how_to_get_one(objects: ClusterObjects) -> None:
    with pytest.raises(MissingError, match=r"namespace ml[\s\S]*pipeline run train-sentiment"):
        objects.get("sentiment")
    assert not objects.delete("sentiment")


def test_a_cluster_without_kserve_is_no_missing_object(objects: ClusterObjects, server: KubernetesApi) -> None:
    server.withdraw("serving.kserve.io")
    with pytest.raises(MediaReviewError, match="does not know inferenceservices"):
        objects.apply(service())


def test_settings_choose_where_objects_are(
    server: KubernetesApi, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(open_objects(Settings(home=tmp_path)), ObjectDirectory)
    monkeypatch.setattr(Access, "from_environment", lambda: Access(server.url, lambda: f"Bearer {server.token}", None))
    server.put(DECLARED)
    objects = open_objects(Settings(home=tmp_path, serving_url="kubernetes://ml"))
    assert objects.get("sentiment")["spec"] == DECLARED["spec"]
