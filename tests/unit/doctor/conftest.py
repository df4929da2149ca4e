"""A cluster that has everything, and a kubeconfig file for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mediareview.kubernetes import Access, Kubernetes
from tests.kubernetes_api import KubernetesApi, running
from tests.unit.doctor.complete_cluster import complete


@pytest.fixture
def server() -> Iterator[KubernetesApi]:
    with running() as server:
        complete(server)
        yield server


@pytest.fixture
def cluster(server: KubernetesApi) -> Kubernetes:
    return Kubernetes(Access(server.url, lambda: f"Bearer {server.token}", None), timeout_s=5)


@pytest.fixture
def kubeconfig(server: KubernetesApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubeconfig file for the cluster, in the environment."""
    path = server.kubeconfig(tmp_path / "kubeconfig")
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    return path
