"""A Kubeflow Pipelines server and a connection to it, without waits."""

from collections.abc import Iterator

import pytest

from pipelines.kubeflow import Kubeflow, api, transport, watch
from tests.kubeflow_api import KubeflowApi, running


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeflowApi]:
    """A server that starts empty, and a client that waits for nothing."""
    monkeypatch.setattr(watch, "POLL_S", 0.001)
    for module in (transport, api):
        monkeypatch.setattr(module, "PAUSES_S", (0.0, 0.0))
    with running() as started:
        yield started


@pytest.fixture
def kubeflow(server: KubeflowApi) -> Iterator[Kubeflow]:
    """A connection to it."""
    with Kubeflow(server.url) as connected:
        yield connected
