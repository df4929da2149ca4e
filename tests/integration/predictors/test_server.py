"""A real predictor process: answers, refusals, draining, failures to start."""

import concurrent.futures
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

pytestmark = pytest.mark.integration

TextArtifact = Callable[..., Path]
LONG = "a good film, a dull plot, " * 2000
"""Keeps a linear model busy for a while."""


def start(artifact: Path, port: int, *options: str, name: str = "sentiment") -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "serving.predictors", f"--model_name={name}", f"--model_dir={artifact}"]
    return subprocess.Popen(
        [*command, f"--http_port={port}", *options], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_ready(process: "subprocess.Popen[str]", url: str, name: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        try:
            if httpx.get(f"{url}/v2/models/{name}/ready").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("not ready")


class Predictor:
    def __init__(self, artifact: Path, *options: str, name: str = "sentiment") -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process = start(artifact, port, *options, name=name)
        self.port = port
        wait_ready(self.process, self.url, name)

    def v1(self, *texts: str) -> httpx.Response:
        body = {"instances": [{"text": text} for text in texts]}
        return httpx.post(f"{self.url}/v1/models/sentiment:predict", json=body, timeout=60)

    def metric(self, name: str) -> float:
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name + "{"))

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def predictor(text_artifact: TextArtifact) -> Iterator[Predictor]:
    running = Predictor(text_artifact("sentiment", version="3"), "--model_format=mediareview-sentiment")
    yield running
    running.end()


def test_v1_and_v2_agree_and_name_model_and_version(predictor: Predictor) -> None:
    v1 = predictor.v1("a good film", "a dull film")
    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["a good film", "a dull film"]}
    v2 = httpx.post(f"{predictor.url}/v2/models/sentiment/infer", json={"inputs": [tensor]})
    assert [v1.status_code, v2.status_code] == [200, 200]
    for answer in (v1, v2):
        assert (answer.headers["x-model-name"], answer.headers["x-model-version"]) == ("sentiment", "3")
    labels, scores = v2.json()["outputs"]
    assert labels["data"] == [item["label"] for item in v1.json()["predictions"]] == ["positive", "negative"]
    expected = [value for item in v1.json()["predictions"] for value in item["scores"].values()]
    assert scores["data"] == pytest.approx(expected, abs=1e-6)


def test_the_recommender_answers_without_an_online_store(
    recommender_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDIAREVIEW_HOME", str(tmp_path))
    predictor = Predictor(recommender_artifact, name="recommender")
    try:
        request = {"user_id": "196", "history": ["a"], "limit": 5}
        v1 = httpx.post(f"{predictor.url}/v1/models/recommender:predict", json={"instances": [request, {}]})
        known, anonymous = v1.json()["predictions"]
        assert [item["media_id"] for item in known["items"]] == ["b", "c"]
        assert (known["fallback"], anonymous["fallback"]) == (None, "no_history")
        tensor = {"name": "request", "shape": [1], "datatype": "BYTES", "data": [json.dumps(request)]}
        v2 = httpx.post(f"{predictor.url}/v2/models/recommender/infer", json={"inputs": [tensor]})
        assert json.loads(v2.json()["outputs"][0]["data"][0]) == known
        assert v2.headers["x-model-version"] == "5"
    finally:
        predictor.end()


def test_metadata_and_health(predictor: Predictor) -> None:
    metadata = httpx.get(f"{predictor.url}/v2/models/sentiment").json()
    assert [item["name"] for item in metadata["inputs"]] == ["text"]
    assert [item["name"] for item in metadata["outputs"]] == ["label", "scores"]
    for path in ("/", "/v1/models/sentiment", "/v2/health/live", "/v2/health/ready"):
        assert httpx.get(predictor.url + path).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/v1/models/sentiment:predict", b"{", 400, "Unrecognized request format"),
        ("/v1/models/sentiment:predict", b'{"instances": [{"txt": "x"}]}', 400, "instances[0].text: Field required"),
        ("/v1/models/sentiment:predict", b'{"instances": [{"text": "' + b"x" * 10_000_000 + b'"}]}', 400, "at most"),
        ("/v1/models/other:predict", b'{"instances": []}', 404, "does not exist"),
        ("/v2/models/sentiment/infer", b"{}", 400, "V2 protocol"),
        ("/v2/models/sentiment/infer", b"x", 400, "V2 protocol"),
    ],
)
def test_bad_requests_are_the_callers_mistake(
    predictor: Predictor, path: str, body: bytes, status: int, says: str
) -> None:
    answer = httpx.post(predictor.url + path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert says in answer.json()["error"]


def test_it_listens_on_loopback_only(predictor: Predictor) -> None:
    connections = psutil.Process(predictor.process.pid).connections("inet")
    listening = [item.laddr for item in connections if item.status == psutil.CONN_LISTEN]
    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", predictor.port)]


def test_batched_answers_are_those_of_single_calls(predictor: Predictor) -> None:
    texts = [f"a {'good' if number % 3 else 'dull'} film number {number}" for number in range(40)]
    alone = [predictor.v1(text).json()["predictions"][0] for text in texts]
    with concurrent.futures.ThreadPoolExecutor(20) as callers:
        busy = [callers.submit(predictor.v1, LONG) for _ in range(4)]
        together = list(callers.map(lambda text: predictor.v1(text).json()["predictions"][0], texts))
        assert all(item.result().is_success for item in busy)
    assert [item["label"] for item in together] == [item["label"] for item in alone]
    for one, other in zip(together, alone, strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-5)
    batches = "mediareview_predictor_batch_size"
    assert predictor.metric(f"{batches}_sum") > predictor.metric(f"{batches}_count")


def test_a_full_queue_gives_503_with_retry_after(text_artifact: TextArtifact) -> None:
    predictor = Predictor(text_artifact("sentiment"), "--max_queue=4")
    try:
        answer = predictor.v1(*["a good film"] * 5)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "overloaded" in answer.json()["error"]
        assert predictor.v1("a good film").is_success
    finally:
        predictor.end()


def test_the_request_of_a_caller_that_gave_up_is_dropped(text_artifact: TextArtifact) -> None:
    predictor = Predictor(text_artifact("sentiment"))
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as caller:
            running = caller.submit(predictor.v1, *[LONG] * 200)
            while predictor.metric("mediareview_predictor_requests_total") < 1:
                time.sleep(0.01)
            body = {"instances": [{"text": "a good film"}]}
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(f"{predictor.url}/v1/models/sentiment:predict", json=body, timeout=0.2)
            assert running.result().is_success
        assert predictor.metric("mediareview_predictor_errors_total") == 1
        assert 'reason="cancelled"' in httpx.get(f"{predictor.url}/metrics").text
        assert predictor.metric("mediareview_predictor_queue_seconds_count") == 200
    finally:
        predictor.end()


def test_sigterm_lets_running_requests_finish_and_exits_with_0(text_artifact: TextArtifact) -> None:
    predictor = Predictor(text_artifact("sentiment"))
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as caller:
            running = caller.submit(predictor.v1, *[LONG] * 200)
            while predictor.metric("mediareview_predictor_requests_total") < 1:
                time.sleep(0.01)
            assert not running.done()
            predictor.process.send_signal(signal.SIGTERM)
            answer = running.result()
        assert answer.status_code == 200
        assert len(answer.json()["predictions"]) == 200
        assert predictor.process.wait(20) == 0
        with pytest.raises(httpx.ConnectError):
            predictor.v1("too late")
    finally:
        predictor.end()


def damage_weights(artifact: Path) -> None:
    weights = next(path for path in artifact.iterdir() if path.suffix == ".npz")
    weights.write_bytes(weights.read_bytes()[:100])


def damage_weights_with_matching_checksum(artifact: Path) -> None:
    from mediareview.artifact import load_manifest, save_manifest

    damage_weights(artifact)
    save_manifest(artifact, load_manifest(artifact))


def remove_manifest(artifact: Path) -> None:
    (artifact / "model.json").unlink()


def break_manifest(artifact: Path) -> None:
    (artifact / "model.json").write_text("{")


def lose_settings(artifact: Path) -> None:
    manifest = json.loads((artifact / "model.json").read_text())
    manifest["settings"] = {}
    (artifact / "model.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (remove_manifest, "holds no model.json"),
        (break_manifest, "not a valid manifest"),
        (damage_weights, "missing or was changed"),
        (damage_weights_with_matching_checksum, "does not load"),
        (lose_settings, "does not load"),
    ],
)
def test_a_damaged_artifact_is_one_clear_error(
    text_artifact: TextArtifact, damage: Callable[[Path], None], says: str
) -> None:
    artifact = text_artifact("sentiment")
    damage(artifact)
    process = start(artifact, free_port())
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert says in errors
    assert "Traceback" not in errors


def test_an_artifact_of_another_format_is_refused(text_artifact: TextArtifact) -> None:
    process = start(text_artifact("sentiment"), free_port(), "--model_format=mediareview-recommender")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "not mediareview-recommender" in errors


def test_a_taken_port_ends_the_process(predictor: Predictor, text_artifact: TextArtifact) -> None:
    process = start(text_artifact("sentiment"), predictor.port)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "address already in use" in errors


def test_serving_loads_no_training_library() -> None:
    code = """
import sys
import serving.predictors.server, serving.predictors.text, serving.predictors.recommendation
import serving.scorers.text, serving.scorers.recommender
print(sorted({name.partition(".")[0] for name in sys.modules}
    & {"torch", "transformers", "pytorch_lightning", "sklearn", "spacy", "kfp", "mlflow", "evidently", "components"}))
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
