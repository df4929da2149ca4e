"""The rollout controller's image in a pod, with the command of its Deployment: it reads the objects and is alive."""

import time
from pathlib import Path

import pytest
import yaml

from tests.images.conftest import answer, exit_code_after_sigterm, logs, serving
from tests.images.test_api_on_a_cluster import ACCOUNT
from tests.kubernetes_api import running

MANIFEST = Path(__file__).parents[2] / "manifests/base/pipelines/rollout-controller.yaml"


@pytest.fixture
def command() -> list[str]:
    """Return the command of the Deployment, with its arguments."""
    (deployment,) = [item for item in yaml.safe_load_all(MANIFEST.read_text()) if item["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return [*container["command"], *container["args"]]


def test_it_looks_at_the_inference_services_and_ends_when_told(tmp_path: Path, port: int, command: list[str]) -> None:
    account = tmp_path / "account"
    with running(tmp_path) as cluster:
        host, cluster_port = cluster.service_account(account)
        environment = {
            "MEDIAREVIEW_HOME": "/tmp/mediareview",
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": str(cluster_port),
            "MEDIAREVIEW_SERVING_URL": "kubernetes://mediareview",
            "MEDIAREVIEW_METRICS_URL": "http://127.0.0.1:9",
        }
        options = (
            *(f"--env={name}={value}" for name, value in environment.items()),
            f"--volume={account}:{ACCOUNT}:ro",
        )
        entrypoint, *arguments = command
        here = [f"--metrics-port={port}" if item.startswith("--metrics-port") else item for item in arguments]
        with serving("pipelines", *here, options=options, entrypoint=entrypoint) as container:
            status, said = answer(f"http://127.0.0.1:{port}/healthz")
            assert status == 200, said
            deadline = time.monotonic() + 30
            while "get" not in cluster.verbs():
                assert time.monotonic() < deadline, logs(container)
                time.sleep(0.1)
            _, metrics = answer(f"http://127.0.0.1:{port}/metrics")
            assert "mediareview_rollout_last_look_timestamp_seconds" in metrics
            assert exit_code_after_sigterm(container) == 0
