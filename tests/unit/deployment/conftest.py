"""A Kubernetes API with a Deployment of the sentiment model, as KServe leaves it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.rollouts import candidates
from mediareview import kubernetes
from mediareview.kubernetes import Access
from mediareview.settings import Settings
from serving.objects import cluster
from tests.kubernetes_api import KubernetesApi, running


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesApi]:
    with running() as server:
        access = Access(server.url, lambda: f"Bearer {server.token}", None)
        monkeypatch.setattr(Access, "from_environment", lambda: access)
        monkeypatch.setattr(kubernetes, "RETRY_DELAYS_S", ())
        monkeypatch.setattr(cluster, "POLL_S", 0.01)
        monkeypatch.setattr(candidates, "POLL_S", 0.01)
        yield server


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, serving_url="kubernetes://ml", deploy_timeout_s=20)
