"""The stand-in with real predictors: kills, hot swaps, failed versions, no orphans."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.objects import ObjectDirectory, Variant, inference_service, is_ready, serving_runtime, variants
from serving.standin import StandIn

pytestmark = pytest.mark.integration

TextArtifact = Callable[..., Path]


class Home:
    """A home directory with a deployed model."""

    def __init__(self, root: Path) -> None:
        self.settings = Settings(home=root)
        self.objects = ObjectDirectory(self.settings.inference_services)
        self.objects.apply(serving_runtime())

    def deploy(self, artifact: Path, version: str, name: str = "sentiment") -> None:
        self.objects.apply(inference_service(name, artifact_uri=artifact.as_uri(), version=version))

    def stable(self, name: str = "sentiment") -> Variant:
        return variants(self.objects.get(name))[0]

    def message(self, name: str = "sentiment") -> str:
        return str(self.objects.get(name)["status"]["conditions"][-1].get("message", ""))


def predict(url: str | None, client: httpx.Client | None = None) -> httpx.Response:
    post = client.post if client else httpx.post
    return post(f"{url}/v1/models/sentiment:predict", json={"instances": [{"text": "a good film"}]}, timeout=30)


def until(happens: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not happens():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)


def predictors(of: int) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(of).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie counts as gone
            if "serving.predictors" in child.cmdline():
                found.append(child)
    return found


@pytest.fixture(scope="module")
def first_version(text_artifact: TextArtifact) -> Path:
    return text_artifact("sentiment", version="1")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, first_version: Path) -> Iterator[tuple[Home, StandIn]]:
    home = Home(tmp_path_factory.mktemp("home"))
    home.deploy(first_version, "1")
    with StandIn(home.settings, drain_delay_s=0.5) as stand_in:
        yield home, stand_in


@pytest.fixture
def home(running: tuple[Home, StandIn], first_version: Path) -> Home:
    """Return a home whose first version is served by a stand-in, whatever happened in it before."""
    home, stand_in = running
    home.objects.delete("sentiment")
    home.deploy(first_version, "1")
    stand_in.wait_ready(60)
    until(lambda: len(predictors(os.getpid())) == 1)
    return home


@pytest.fixture
def stand_in(running: tuple[Home, StandIn]) -> StandIn:
    return running[1]


@pytest.fixture
def idle_home(tmp_path: Path, first_version: Path) -> Home:
    """Return a home that nobody serves."""
    home = Home(tmp_path / "home")
    home.deploy(first_version, "1")
    return home


def test_a_deployed_model_answers_at_the_url_in_its_status(home: Home, stand_in: StandIn) -> None:
    answer = predict(home.stable().url)
    assert answer.json()["predictions"][0]["label"] == "positive"
    assert answer.headers["x-model-version"] == home.stable().version == "1"
    assert "Serving sentiment version 1" in (home.settings.root / "serving" / "logs" / "sentiment.log").read_text()


def test_only_one_stand_in_per_home(home: Home, stand_in: StandIn) -> None:
    with pytest.raises(MediaReviewError, match=f"already being served, by process {os.getpid()}"):
        StandIn(home.settings).run()


def test_a_killed_predictor_is_not_ready_and_comes_back(home: Home, stand_in: StandIn) -> None:
    (process,) = predictors(os.getpid())
    process.kill()
    until(lambda: home.stable().url is None)
    assert not is_ready(home.objects.get("sentiment"))
    assert "signal 9" in home.message()
    until(lambda: home.stable().url is not None)
    assert predict(home.stable().url).is_success


def test_waiting_gives_up_in_time_and_says_what_is_not_ready(idle_home: Home) -> None:
    with StandIn(idle_home.settings) as running:
        with pytest.raises(MediaReviewError, match="sentiment is not ready"):
            running.wait_ready(0)
        running.wait_ready(60)


def test_a_new_version_takes_over_without_a_failed_request(
    home: Home, stand_in: StandIn, text_artifact: TextArtifact
) -> None:
    answers: list[tuple[int, str]] = []
    enough = threading.Event()

    def ask() -> None:
        with httpx.Client() as client:
            while not enough.is_set():
                answer = predict(home.stable().url, client)
                answers.append((answer.status_code, answer.headers.get("x-model-version", "")))

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        home.deploy(text_artifact("sentiment", version="2"), "2")
        stand_in.wait_ready(60)
        until(lambda: len(predictors(os.getpid())) == 1)
    finally:
        enough.set()
        for caller in callers:
            caller.join()
    assert {status for status, _ in answers} == {200}
    assert {version for _, version in answers} == {"1", "2"}
    assert answers[-1][1] == "2"


def test_a_version_that_does_not_start_leaves_the_old_one_serving(
    home: Home, stand_in: StandIn, tmp_path: Path
) -> None:
    home.deploy(tmp_path / "missing", "2")
    with pytest.raises(MediaReviewError, match=r"version 2 does not start: .*holds no model\.json"):
        stand_in.wait_ready(60)
    assert home.stable().version == "1"
    assert predict(home.stable().url).headers["x-model-version"] == "1"


def test_a_canary_is_served_beside_and_promoted_without_a_restart(
    home: Home, stand_in: StandIn, text_artifact: TextArtifact
) -> None:
    service = home.objects.get("sentiment")
    canary = inference_service("sentiment", text_artifact("sentiment", version="2").as_uri(), "2")["spec"]["predictor"]
    canary["name"] = "v2"
    service["spec"]["canary"] = [{"trafficPercent": 20, "predictor": canary}]
    home.objects.replace(service)
    stand_in.wait_ready(60)
    stable, second = variants(home.objects.get("sentiment"))
    assert (stable.traffic_percent, second.traffic_percent) == (80, 20)
    assert predict(stable.url).headers["x-model-version"] == "1"
    assert predict(second.url).headers["x-model-version"] == "2"

    service = home.objects.get("sentiment")
    service["spec"] = {"predictor": canary}
    home.objects.replace(service)
    until(lambda: len(predictors(os.getpid())) == 1)
    assert home.stable().url == second.url
    assert predict(second.url).is_success


def test_a_deleted_model_stops_and_others_go_on(home: Home, stand_in: StandIn, text_artifact: TextArtifact) -> None:
    home.deploy(text_artifact("moderation", version="1"), "1", name="moderation")
    stand_in.wait_ready(60)
    home.objects.delete("moderation")
    until(lambda: len(predictors(os.getpid())) == 1)
    assert predict(home.stable().url).is_success


def test_a_broken_object_file_stops_nothing(home: Home, stand_in: StandIn) -> None:
    broken = home.objects.path / "broken.yaml"
    broken.write_text("{")
    time.sleep(0.5)
    assert predict(home.stable().url).is_success
    broken.unlink()


def test_stopping_drains_and_leaves_nothing_running(idle_home: Home) -> None:
    before = predictors(os.getpid())
    with StandIn(idle_home.settings) as running:
        running.wait_ready(60)
        url = idle_home.stable().url
    assert predictors(os.getpid()) == before
    assert idle_home.stable().url is None
    with pytest.raises(httpx.ConnectError):
        predict(url)


def run_apart(home: Home) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "MEDIAREVIEW_HOME": str(home.settings.root)}
    process = subprocess.Popen([sys.executable, "-m", "serving.standin"], env=environment, stderr=subprocess.DEVNULL)
    until(lambda: home.stable().url is not None)
    return process


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def test_killing_the_stand_in_leaves_no_orphan_and_the_next_one_starts_clean(idle_home: Home) -> None:
    process = run_apart(idle_home)
    left_behind = predictors(process.pid)
    assert len(left_behind) == 1
    process.kill()
    process.wait()
    until(lambda: gone(left_behind), timeout_s=15)
    assert idle_home.stable().url is not None, "the status is stale: nobody was left to write it"
    with StandIn(idle_home.settings) as running:
        running.wait_ready(60)
        assert predict(idle_home.stable().url).is_success


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_stand_in_drains_its_predictors(idle_home: Home, number: signal.Signals) -> None:
    process = run_apart(idle_home)
    running = predictors(process.pid)
    process.send_signal(number)
    assert process.wait(30) == 0
    assert gone(running)
    assert idle_home.stable().url is None
