"""Two real predictors of a model behind the real API: who is answered by which, whatever is killed."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from serving.experiments import Experiment, assign
from serving.objects import Object, ObjectDirectory, variants

pytestmark = pytest.mark.integration

USERS = [f"user-{number}" for number in range(40)]
CANARY = "v4"


@pytest.fixture
def objects(platform: Any) -> ObjectDirectory:
    return ObjectDirectory(platform.settings.inference_services)


@pytest.fixture
def canary(platform: Any, objects: ObjectDirectory, text_artifact: Callable[..., Path]) -> Iterator[Path]:
    """A second version of the sentiment model, running and without traffic; yield its artifact."""
    artifact = text_artifact("sentiment", version="4")
    service = objects.get("sentiment")
    model = {**service["spec"]["predictor"]["model"], "storageUri": artifact.as_uri()}
    labels = {"mediareview.dev/model-version": "4"}
    service["spec"]["canary"] = [{"trafficPercent": 0, "predictor": {"name": CANARY, "labels": labels, "model": model}}]
    objects.replace(service)
    platform.until(lambda: runs(objects, CANARY))
    yield artifact
    service = objects.get("sentiment")
    if service["spec"].pop("canary", None):
        objects.replace(service)


def runs(objects: ObjectDirectory, name: str) -> bool:
    return any(variant.name == name and variant.url for variant in variants(objects.get("sentiment")))


def share(objects: ObjectDirectory, percent: int) -> None:
    """Give the canary a share of the users, and wait as long as the API may take to follow."""
    change(objects, lambda spec: spec["canary"][0].update(trafficPercent=percent))
    time.sleep(1)


def change(objects: ObjectDirectory, edit: Callable[[Object], None]) -> None:
    service = objects.get("sentiment")
    edit(service["spec"])
    objects.replace(service)


def ask(client: httpx.Client, user: str) -> str:
    body = {"user_id": user, "items": [{"id": "1", "text": "a good film"}]}
    answer = client.post("/api/ml/sentiment", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model"]["variant"])


def everybody(client: httpx.Client) -> dict[str, str]:
    return {user: ask(client, user) for user in USERS}


def expected(percent: int) -> dict[str, str]:
    """Return who gets what; a canary that no rollout planned may come to have half of the users."""
    experiment = Experiment(f"sentiment-{CANARY}", "canary", "stable", CANARY, percent, 50)
    return {user: assign(experiment, user).variant for user in USERS}


@contextmanager
def calling(url: str) -> Iterator[list[int]]:
    """Ask for the users in turn without a pause; note the status of each answer, 0 for a broken connection."""
    statuses: list[int] = []
    enough = threading.Event()

    def call() -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not enough.is_set():
                body = {"user_id": USERS[len(statuses) % len(USERS)], "items": [{"id": "1", "text": "good"}]}
                try:
                    statuses.append(client.post("/api/ml/sentiment", json=body).status_code)
                except httpx.TransportError:
                    statuses.append(0)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield statuses
    finally:
        enough.set()
        thread.join()


def rows(platform: Any, table: str) -> list[dict[str, Any]]:
    files = sorted((platform.settings.events / table).glob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]


def processes(platform: Any, artifact: Path) -> list[psutil.Process]:
    """Return the predictors of an artifact; none for a moment after one was killed."""
    found: list[psutil.Process] = platform.processes("serving.predictors", f"--model_dir={artifact}")
    return found


def kill(platform: Any, victim: psutil.Process) -> psutil.Process:
    """Kill a process, and return it once it is dead."""

    def dead() -> bool:
        try:
            return victim.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    victim.kill()
    platform.until(dead)
    return victim


def test_users_are_shared_out_as_the_object_says_and_none_ever_moves_back(
    platform: Any, client: httpx.Client, objects: ObjectDirectory, canary: Path
) -> None:
    assert everybody(client) == dict.fromkeys(USERS, "stable")
    before = {user for user, got in everybody(client).items() if got == CANARY}
    with calling(platform.url) as statuses:
        for percent in (10, 20, 50):
            share(objects, percent)
            got = everybody(client)
            assert got == expected(percent)
            treated = {user for user, variant in got.items() if variant == CANARY}
            assert before < treated
            before = treated
    assert set(statuses) == {200}


def test_a_killed_canary_is_stood_in_for_and_takes_its_users_back(
    platform: Any, client: httpx.Client, objects: ObjectDirectory, canary: Path
) -> None:
    share(objects, 50)
    with calling(platform.url) as statuses:
        killed = kill(platform, *processes(platform, canary))
        assert set(everybody(client).values()) <= {"stable", CANARY}
        platform.until(lambda: any(item.pid != killed.pid for item in processes(platform, canary)))
        platform.until(lambda: everybody(client) == expected(50))
    assert set(statuses) == {200}


def test_after_a_killed_api_everybody_gets_the_same_variant_and_is_enrolled_once(
    platform: Any, client: httpx.Client, objects: ObjectDirectory, canary: Path
) -> None:
    share(objects, 50)
    assert everybody(client) == expected(50)
    platform.until(lambda: set(USERS) <= {row["unit"] for row in rows(platform, "exposures")})
    enrolled = len(rows(platform, "exposures"))
    with calling(platform.url) as statuses:
        platform.until(lambda: len(statuses) > 10)
        kill(platform, platform.api())
        known = len(statuses)
        platform.until(lambda: len(statuses) > known + 10)
        assert everybody(client) == expected(50)
        answers = len(rows(platform, "answers"))
        platform.until(lambda: len(rows(platform, "answers")) > answers)
    assert statuses.count(0) <= 1, "only what was under way broke"
    assert len(rows(platform, "exposures")) == enrolled


def test_promotion_fails_no_request_and_starts_no_process(
    platform: Any, client: httpx.Client, objects: ObjectDirectory, canary: Path
) -> None:
    """The last of these tests: afterwards the platform has another stable variant."""
    share(objects, 50)
    (promoted,) = processes(platform, canary)

    def promote(spec: Object) -> None:
        spec["predictor"] = spec.pop("canary")[0]["predictor"]

    with calling(platform.url) as statuses:
        change(objects, promote)
        platform.until(lambda: everybody(client) == dict.fromkeys(USERS, CANARY))
        assert [item.pid for item in processes(platform, canary)] == [promoted.pid]
    assert set(statuses) == {200}
