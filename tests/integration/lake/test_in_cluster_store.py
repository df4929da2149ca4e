"""The object store of the kind overlay, run with the very arguments and secrets of its manifest."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from mediareview.s3 import s3_client, secure_bucket
from mediareview.settings import Settings
from tests.integration.lake.conftest import free_ports, wait_until_it_answers

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]
URL = "s3://mediareview/lake"


@pytest.fixture(scope="module")
def secrets() -> dict[tuple[str, str], dict[str, str]]:
    printed = subprocess.run([sys.executable, ROOT / "scripts/kind-secrets"], capture_output=True, check=True).stdout
    return {
        (item["metadata"]["namespace"], item["metadata"]["name"]): item["stringData"]
        for item in json.loads(printed)["items"]
    }


@pytest.fixture(scope="module")
def store(secrets: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of the running store, with an administrator's credentials."""
    directory = tmp_path_factory.mktemp("store")
    manifest = ROOT / "manifests/components/in-cluster-stores/object-store.yaml"
    workload = next(item for item in yaml.safe_load_all(manifest.read_text()) if item["kind"] == "StatefulSet")
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    values = secrets["mediareview", "mediareview-object-store"]
    (directory / "identities.json").write_text(values["identities.json"])
    master, volume, filer, port = free_ports(4)
    moved = {
        "-s3.port=8333": f"-s3.port={port}",
        "-s3.ip.bind=0.0.0.0": "-s3.ip.bind=127.0.0.1",
        "-dir=/data": f"-dir={directory}",
        "-s3.config=/etc/seaweedfs/identities.json": f"-s3.config={directory / 'identities.json'}",
    }
    arguments = [moved.pop(argument, argument) for argument in container["args"]]
    assert not moved, "the manifest's arguments have changed"
    arguments += [f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}"]
    environment = {
        item["name"]: values[item["valueFrom"]["secretKeyRef"]["key"]] for item in container["env"]
    } | os.environ
    settings = Settings(
        home=directory / "home",
        lake_url=URL,
        s3_endpoint_url=f"http://127.0.0.1:{port}",
        s3_access_key_id=values["AWS_ACCESS_KEY_ID"],
        s3_secret_access_key=values["AWS_SECRET_ACCESS_KEY"],  # type: ignore[arg-type]
    )
    program = Path(sys.executable).with_name(container["command"][0])
    with (
        (directory / "log").open("w") as log,
        subprocess.Popen([program, *arguments], stdout=log, stderr=log, env=environment) as server,
    ):
        try:
            wait_until_it_answers(settings, server, directory / "log")
            probe = container["readinessProbe"]["httpGet"]["path"]
            with urllib.request.urlopen(f"{settings.s3_endpoint_url}{probe}") as response:
                assert response.status == 200
            yield settings
        finally:
            server.kill()


def of(settings: Settings, values: dict[str, str]) -> Any:
    """Return a client with the key pair of a secret."""
    return s3_client(
        settings.model_copy(
            update={
                "s3_access_key_id": values["AWS_ACCESS_KEY_ID"],
                "s3_secret_access_key": type(settings.s3_secret_access_key)(values["AWS_SECRET_ACCESS_KEY"]),
            }
        )
    )


def test_steps_write_what_predictors_may_only_read(store: Settings, secrets: Any) -> None:
    secure_bucket(URL, store)
    steps = of(store, secrets["kubeflow", "mediareview-s3"])
    predictors = of(store, secrets["mediareview", "mediareview-s3"])
    steps.put_object(Bucket="mediareview", Key="models/x", Body=b"weights")
    found = predictors.get_object(Bucket="mediareview", Key="models/x")
    assert (found["Body"].read(), found["ServerSideEncryption"]) == (b"weights", "AES256")
    with pytest.raises(ClientError, match="AccessDenied"):
        predictors.put_object(Bucket="mediareview", Key="models/x", Body=b"poisoned")
    with pytest.raises(ClientError, match="AccessDenied"):
        steps.create_bucket(Bucket="another")
