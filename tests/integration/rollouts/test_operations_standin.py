"""Operations on the real stand-in with real predictors: nothing restarts, and a broken candidate disturbs nobody."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from components.rollouts.candidates import enter_when_ready
from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.objects import ObjectDirectory, Variant, inference_service, serving_runtime, variants
from serving.rollouts.operations import Rollouts
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import Candidate
from serving.standin import StandIn

pytestmark = pytest.mark.integration

NAME = "sentiment"
WHO = {"actor": "ana", "reason": ""}
PLAN = Plan(traffic_percent=10, step_percent=40, max_percent=50)


class Home:
    """A home that a stand-in serves."""

    def __init__(self, root: Path, artifact: Path) -> None:
        self.settings = Settings(home=root)
        self.objects = ObjectDirectory(self.settings.inference_services)
        self.objects.apply(serving_runtime())
        self.objects.apply(inference_service(NAME, artifact.as_uri(), "1"))
        self.rollouts = Rollouts.from_settings(self.settings)

    def variants(self) -> list[Variant]:
        return variants(self.objects.get(NAME))

    def start(self, artifact: Path, version: str) -> None:
        candidate = Candidate(version=version, uri=artifact.as_uri(), predictor=f"v{version}")
        started = self.rollouts.start(NAME, candidate, PLAN, "ana", "")
        enter_when_ready(self.rollouts, started, actor="ana", timeout_s=60, say=lambda _: None)


def predictors() -> dict[int, str]:
    """The predictor processes, with their artifacts."""
    found = {}
    for child in psutil.Process(os.getpid()).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            arguments = child.cmdline()
            if "serving.predictors" in arguments:
                found[child.pid] = next(item for item in arguments if item.startswith("--model_dir="))
    return found


def until(happens: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not happens():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)


def version_at(url: str | None) -> str:
    answer = httpx.post(f"{url}/v1/models/sentiment:predict", json={"instances": [{"text": "good"}]}, timeout=30)
    return answer.raise_for_status().headers["x-model-version"]


@pytest.fixture
def home(tmp_path: Path, text_artifact: Callable[..., Path]) -> Iterator[Home]:
    home = Home(tmp_path / "home", text_artifact(NAME, version="1"))
    with StandIn(home.settings, drain_delay_s=0.2) as stand_in:
        stand_in.wait_ready(60)
        yield home


def test_a_promoted_candidate_goes_on_as_the_process_that_it_was(
    home: Home, text_artifact: Callable[..., Path]
) -> None:
    home.start(text_artifact(NAME, version="2"), "2")
    stable, canary = home.variants()
    assert (version_at(stable.url), version_at(canary.url)) == ("1", "2")
    processes = predictors()
    home.rollouts.step(NAME, **WHO)
    home.rollouts.promote(NAME, **WHO)
    until(lambda: len(predictors()) == 1)
    (left,) = predictors().items()
    assert left in processes.items()
    (served,) = home.variants()
    assert (served.name, served.url, version_at(served.url)) == ("v2", canary.url, "2")


def test_after_a_rollback_the_stable_process_is_the_one_that_it_was(
    home: Home, text_artifact: Callable[..., Path]
) -> None:
    before = predictors()
    home.start(text_artifact(NAME, version="2"), "2")
    home.rollouts.roll_back(NAME, **WHO)
    until(lambda: predictors() == before)
    assert [version_at(variant.url) for variant in home.variants()] == ["1"]


def test_a_candidate_that_does_not_start_is_taken_back_with_its_own_words(home: Home, tmp_path: Path) -> None:
    before = predictors()
    with pytest.raises(MediaReviewError, match=r"version 2 does not start: .*holds no model\.json"):
        home.start(tmp_path / "nothing", "2")
    until(lambda: predictors() == before)
    rollout = home.rollouts.current(NAME)
    assert rollout is not None
    assert rollout.phase == "rolled_back"
    assert "model.json" in rollout.reason


def test_serving_starts_although_a_candidate_does_not(tmp_path: Path, text_artifact: Callable[..., Path]) -> None:
    home = Home(tmp_path / "home", text_artifact(NAME, version="1"))
    candidate = Candidate(version="2", uri=(tmp_path / "nothing").as_uri(), predictor="v2")
    home.rollouts.start(NAME, candidate, PLAN, "ana", "")
    assert not home.rollouts.candidate_state(NAME).running
    with StandIn(home.settings) as stand_in:
        stand_in.wait_ready(60)
        assert version_at(home.variants()[0].url) == "1"
        until(lambda: home.rollouts.candidate_state(NAME).failed)
