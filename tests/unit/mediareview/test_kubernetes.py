"""Calls of the Kubernetes API, against a server that speaks it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest

from mediareview import kubernetes
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Access, Kubernetes, KubernetesError, Resource
from tests.kubernetes_api import KubernetesApi, running

SERVICES = Resource("serving.kserve.io/v1beta1", "inferenceservices", "ml")
MANIFEST: dict[str, Any] = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "sentiment", "namespace": "ml"},
    "spec": {"predictor": {"model": {"storageUri": "s3://models/1"}, "minReplicas": 2}},
}


@pytest.fixture
def server() -> Iterator[KubernetesApi]:
    with running() as server:
        yield server


@pytest.fixture
def cluster(server: KubernetesApi, monkeypatch: pytest.MonkeyPatch) -> Kubernetes:
    monkeypatch.setattr(kubernetes, "RETRY_DELAYS_S", (0.0, 0.0))
    return Kubernetes(Access(server.url, lambda: f"Bearer {server.token}", None), timeout_s=0.5)


def test_an_object_is_created_read_merged_replaced_and_deleted(cluster: Kubernetes) -> None:
    created = cluster.create(SERVICES, MANIFEST)
    assert cluster.get(SERVICES, "sentiment") == created
    patched = cluster.patch(SERVICES, "sentiment", {"spec": {"predictor": {"model": {"storageUri": "s3://models/2"}}}})
    assert patched["spec"]["predictor"] == {"model": {"storageUri": "s3://models/2"}, "minReplicas": 2}
    assert cluster.list(SERVICES) == [patched]
    replaced = cluster.replace(SERVICES, "sentiment", {**patched, "spec": {}})
    assert replaced["spec"] == {}
    cluster.delete(SERVICES, "sentiment")
    assert cluster.list(SERVICES) == []


def test_the_servers_version_and_the_groups_that_it_serves_are_read(cluster: Kubernetes) -> None:
    assert cluster.read("/version")["gitVersion"].startswith("v1.")
    assert cluster.read("/apis/apps/v1")["groupVersion"] == "apps/v1"
    with pytest.raises(KubernetesError) as caught:
        cluster.read("/apis/apps.example.com/v1")
    assert caught.value.status == 404


@pytest.mark.parametrize("failure", [0, 429, 500, 503])
def test_what_may_be_repeated_is_repeated(cluster: Kubernetes, server: KubernetesApi, failure: int) -> None:
    server.put(MANIFEST)
    server.fail(failure, times=2)
    assert cluster.get(SERVICES, "sentiment")["metadata"]["name"] == "sentiment"
    assert server.verbs() == ["get"] * 3


def test_an_object_is_not_created_twice(cluster: Kubernetes, server: KubernetesApi) -> None:
    server.fail(500)
    with pytest.raises(KubernetesError, match="status 500"):
        cluster.create(SERVICES, MANIFEST)
    assert server.verbs() == ["create"]


def test_a_slow_server_is_given_up(cluster: Kubernetes, server: KubernetesApi) -> None:
    server.fail(200, times=3, delay_s=2.0)
    with pytest.raises(KubernetesError, match=r"does not answer.*timed out"):
        cluster.list(SERVICES)


def test_a_server_that_is_away_is_named(cluster: Kubernetes, server: KubernetesApi) -> None:
    server.stop()
    with pytest.raises(KubernetesError, match=f"{server.url} does not answer") as failed:
        cluster.list(SERVICES)
    assert (failed.value.status, "NetworkPolicy" in failed.value.hint) == (0, True)


def test_a_missing_permission_is_named(cluster: Kubernetes, server: KubernetesApi) -> None:
    server.put(MANIFEST)
    server.forbid("patch", "inferenceservices")
    with pytest.raises(
        KubernetesError, match=r"patch inferenceservices\.serving\.kserve\.io in namespace ml"
    ) as failed:
        cluster.patch(SERVICES, "sentiment", {})
    assert "Grant the verb 'patch' on inferenceservices.serving.kserve.io" in failed.value.hint
    assert server.verbs() == ["patch"]


def test_refused_credentials_say_where_they_come_from(cluster: Kubernetes, server: KubernetesApi) -> None:
    secret = server.token
    server.token = "another"
    cluster = Kubernetes(Access(server.url, lambda: f"Bearer {secret}", None))
    with pytest.raises(KubernetesError, match="does not accept") as failed:
        cluster.list(SERVICES)
    assert secret not in str(failed.value)
    assert failed.value.status == 401


def test_a_missing_object_and_a_missing_kind_are_told_apart(cluster: Kubernetes, server: KubernetesApi) -> None:
    with pytest.raises(KubernetesError, match='"sentiment" not found') as missing:
        cluster.get(SERVICES, "sentiment")
    assert missing.value.status == 404
    server.withdraw("serving.kserve.io")
    with pytest.raises(KubernetesError, match=r"does not know inferenceservices\.serving\.kserve\.io") as unknown:
        cluster.get(SERVICES, "sentiment")
    assert "CustomResourceDefinition" in unknown.value.hint


def test_a_change_of_what_somebody_else_changed_is_a_conflict(cluster: Kubernetes, server: KubernetesApi) -> None:
    read = server.put(MANIFEST)
    server.put({**MANIFEST, "spec": {}})
    with pytest.raises(KubernetesError) as failed:
        cluster.replace(SERVICES, "sentiment", read)
    assert failed.value.status == 409


def test_the_kubeconfig_file_is_used_outside_a_cluster(
    server: KubernetesApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    with pytest.raises(MediaReviewError, match="No Kubernetes cluster is known here"):
        Kubernetes()
    server.kubeconfig(tmp_path / "config")
    server.put(MANIFEST)
    assert Kubernetes().get(SERVICES, "sentiment")["spec"] == MANIFEST["spec"]


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[KubernetesApi, Path]]:
    """A server that speaks TLS, and the directory in which a pod finds its service account."""
    with running(tmp_path / "certificate") as server:
        host, port = server.service_account(tmp_path / "account")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(port))
        yield server, tmp_path / "account"


def test_a_pod_reads_its_token_anew_for_each_call(pod: tuple[KubernetesApi, Path]) -> None:
    server, account = pod
    cluster = Kubernetes(Access.from_environment(account))
    assert cluster.list(SERVICES) == []
    server.token = "rotated"
    (account / "token").write_text("rotated\n")
    assert cluster.list(SERVICES) == []


def test_a_server_with_another_certificate_is_not_called(pod: tuple[KubernetesApi, Path]) -> None:
    server, account = pod
    shutil.copy(certifi.where(), account / "ca.crt")
    with pytest.raises(KubernetesError, match="certificate verify failed"):
        Kubernetes(Access.from_environment(account)).list(SERVICES)
    assert server.calls == []


def test_a_pod_without_a_token_says_how_to_get_one(pod: tuple[KubernetesApi, Path]) -> None:
    _, account = pod
    (account / "token").unlink()
    with pytest.raises(MediaReviewError, match="no service account token") as missing:
        Access.from_environment(account)
    assert "automountServiceAccountToken" in missing.value.hint


def test_the_package_is_not_imported_for_calls_inside_a_cluster() -> None:
    code = "import sys, mediareview.kubernetes; sys.exit('kubernetes' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
