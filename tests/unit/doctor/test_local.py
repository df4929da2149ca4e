"""What the doctor sees on this machine."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pydantic import SecretStr

from mediareview.cli import main
from mediareview.settings import Settings
from pipelines.doctor import Finding, Mark, examine, local_checks
from tests.kubernetes_api import KubernetesApi

NOWHERE = "127.0.0.1:9"


def findings(**settings: Any) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(local_checks(Settings(**settings)))}


@pytest.fixture
def health() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in ("/health", "/apis/v2beta1/healthz") else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_the_embedded_backends_need_nothing_and_nothing_is_made(tmp_path: Path) -> None:
    found = findings(home=tmp_path / "home")
    assert list(found) == ["Python", "disk", "lake", "registry", "online store"]
    assert {finding.mark for name, finding in found.items() if name != "disk"} == {Mark.OK}
    assert found["lake"].found == f"{tmp_path / 'home' / 'lake'}, made when it is first needed"
    assert not (tmp_path / "home").exists()


def test_little_disk_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.doctor.local.WANTED_GIB", 10**9)
    assert findings(home=tmp_path)["disk"].mark is Mark.WARNING


def test_servers_that_answer_are_there(tmp_path: Path, health: str) -> None:
    found = findings(home=tmp_path, registry_url=health, pipelines_url=f"{health}/")
    assert found["registry"] == Finding("registry", Mark.OK, f"{health}/health answers 200")
    assert found["pipelines"] == Finding("pipelines", Mark.OK, f"{health}/apis/v2beta1/healthz answers 200")


def test_servers_that_do_not_answer_are_missing_and_passwords_are_not_shown(tmp_path: Path) -> None:
    found = findings(
        home=tmp_path,
        registry_url=f"http://{NOWHERE}",
        pipelines_url=f"http://{NOWHERE}",
        online_store_url=SecretStr(f"redis://:made-up@{NOWHERE}/0"),
    )
    missing = {name for name, finding in found.items() if finding.mark is Mark.MISSING}
    assert missing == {"registry", "pipelines", "online store"}
    assert all(found[name].hint for name in missing)
    assert found["online store"].found.startswith("redis://127.0.0.1:9: ")
    assert "made-up" not in str(found)


def test_a_bucket_that_cannot_be_reached_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    found = findings(
        home=tmp_path,
        lake_url="s3://bucket/lake",
        s3_endpoint_url=f"http://{NOWHERE}",
        s3_access_key_id="made-up",
        s3_secret_access_key=SecretStr("made-up-too"),
    )["lake"]
    assert found.mark is Mark.MISSING
    assert "made-up" not in str(found)


def test_inference_services_are_listed(server: KubernetesApi, kubeconfig: Path, tmp_path: Path) -> None:
    found = findings(home=tmp_path, serving_url="kubernetes://mediareview")["serving"]
    assert found == Finding("serving", Mark.OK, "kubernetes://mediareview: no InferenceService yet")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["doctor", *arguments])
    return int(str(stopped.value.code))


def test_the_command_prints_a_line_each_and_exits_with_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mediareview.settings.get_settings", lambda: Settings(home=tmp_path))
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("✓ Python: 3.11")


def test_the_command_exits_with_1_and_says_what_a_cluster_lacks(
    server: KubernetesApi, kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.remove("apps/v1", "deployments", "jobset-system", "jobset")
    assert run("--cluster", "--overlay", "kind") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"Missing: 1 of {len(lines) - 1}"
    (line,) = (line for line in lines if line.startswith("✗"))
    assert line == (
        "✗ JobSet: jobsets.jobset.x-k8s.io is there, but no Deployment runs an image jobset/jobset"
        " → Kubeflow Trainer makes its jobs with it. Install it: https://jobset.sigs.k8s.io/docs/installation/"
    )


def test_the_command_prints_json(server: KubernetesApi, kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--cluster", "--overlay", "production", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert {entry["mark"] for entry in printed} == {"ok"}
    assert set(printed[0]) == {"name", "mark", "found", "hint"}


def test_without_a_kubeconfig_there_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "none")
    monkeypatch.setenv("KUBECONFIG", missing)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", missing)
    assert run("--cluster") == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: No Kubernetes cluster is known here")
    assert "Point KUBECONFIG to a kubeconfig file." in said
