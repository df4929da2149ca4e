"""The API image in a pod: it finds the predictors by its service account, without Kubernetes' client package."""

import time
from pathlib import Path

from tests.images.conftest import answer, serving
from tests.kubernetes_api import running

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def test_it_watches_the_inference_services_of_its_namespace(tmp_path: Path, port: int, home: Path) -> None:
    account = home / "account"
    with running(tmp_path) as cluster:
        host, cluster_port = cluster.service_account(account)
        environment = {
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": str(cluster_port),
            "MEDIAREVIEW_SERVING_URL": "kubernetes://mediareview",
            "MEDIAREVIEW_SIGNING_KEY": "k" * 32,
            "MEDIAREVIEW_API_HOST": "127.0.0.1",
            "MEDIAREVIEW_API_PORT": str(port),
        }
        options = (
            *(f"--env={name}={value}" for name, value in environment.items()),
            f"--volume={account}:{ACCOUNT}:ro",
            f"--volume={home}:/var/lib/mediareview",
        )
        with serving("api", options=options):
            assert _reason(port) == "it is not deployed"
            cluster.put(
                {
                    "apiVersion": "serving.kserve.io/v1beta1",
                    "kind": "InferenceService",
                    "metadata": {"name": "sentiment", "namespace": "mediareview"},
                    "spec": {"predictor": {"model": {"storageUri": "s3://bucket/1"}}},
                },
                status={"conditions": [{"type": "Ready", "status": "False", "message": "no pod has started"}]},
            )
            deadline = time.monotonic() + 30
            while "no pod has started" not in (reason := _reason(port)):
                assert time.monotonic() < deadline, reason
                time.sleep(0.1)
        assert {"list", "watch"} <= set(cluster.verbs())


def _reason(port: int) -> str:
    """Return why the sentiment model does not answer."""
    status, problem = answer(f"http://127.0.0.1:{port}/readyz")
    assert status == 503
    reason: str = problem["predictors"]["sentiment"]["reason"]
    return reason
