"""Predictors on a cluster: what the API knows of them while things change and break."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Access
from mediareview.settings import Settings
from serving.api import create_app, watch
from serving.api.watch import WatchedPredictors
from tests.kubernetes_api import KubernetesApi, running

SERVICES = ("serving.kserve.io/v1beta1", "inferenceservices", "ml")


def put(server: KubernetesApi, name: str = "sentiment", version: str = "1", **spec: Any) -> None:
    predictor = {"labels": {"mediareview.dev/model-version": version}, "model": {"storageUri": f"s3://b/{version}"}}
    server.put(
        {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": name, "namespace": "ml"},
            "spec": {"predictor": predictor, **spec},
        },
        status={"conditions": [{"type": "Ready", "status": "True"}]},
    )


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(watch, "LONGEST_PAUSE_S", 0.05)


@pytest.fixture
def server() -> Iterator[KubernetesApi]:
    with running() as server:
        put(server)
        yield server


@pytest.fixture
def access(server: KubernetesApi) -> Access:
    return Access(server.url, lambda: f"Bearer {server.token}", None)


@asynccontextmanager
async def watching(access: Access, **options: Any) -> AsyncIterator[WatchedPredictors]:
    predictors = WatchedPredictors("ml", access, **options)
    await predictors.open()
    try:
        yield predictors
    finally:
        await predictors.close()


async def until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < deadline, "did not happen"
        await asyncio.sleep(0.005)


def version(predictors: WatchedPredictors, model: str = "sentiment") -> str | None:
    deployment = predictors.find(model)
    return deployment.variants[0].version if deployment else None


def test_predictors_are_known_when_the_api_opens_and_changes_are_followed(
    server: KubernetesApi, access: Access
) -> None:
    async def scenario() -> None:
        async with watching(access) as predictors:
            deployment = predictors.find("sentiment")
            assert deployment is not None
            assert deployment.variants[0].url == "http://sentiment-predictor.ml.svc"
            assert (predictors.find("moderation"), predictors.problem) == (None, "")
            await asyncio.to_thread(put, server, "moderation", "7")
            await until(lambda: version(predictors, "moderation") == "7")
            await asyncio.to_thread(put, server, "sentiment", "2")
            await until(lambda: version(predictors) == "2")
            await asyncio.to_thread(server.remove, *SERVICES, "moderation")
            await until(lambda: predictors.find("moderation") is None)
        assert server.verbs().count("list") == 1

    asyncio.run(scenario())


def test_the_percentages_of_variants_are_followed(server: KubernetesApi, access: Access) -> None:
    def split(percent: int) -> None:
        canary = {"name": "v2", "model": {"storageUri": "s3://b/2"}}
        put(server, "sentiment", "1", canary=[{"trafficPercent": percent, "predictor": canary}])

    async def scenario() -> None:
        async with watching(access) as predictors:
            for percent in (0, 10, 20):
                await asyncio.to_thread(split, percent)
                await until(lambda percent=percent: share(predictors) == percent)  # type: ignore[misc]
            await asyncio.to_thread(put, server, "sentiment", "2")
            await until(lambda: share(predictors) is None)

    def share(predictors: WatchedPredictors) -> int | None:
        deployment = predictors.find("sentiment")
        return deployment.experiment.traffic_percent if deployment and deployment.experiment else None

    asyncio.run(scenario())


def test_what_was_seen_last_holds_while_the_cluster_is_away(server: KubernetesApi, access: Access) -> None:
    async def scenario() -> None:
        async with watching(access) as predictors:
            await asyncio.to_thread(server.stop)
            await until(lambda: "does not answer" in predictors.problem)
            assert version(predictors) == "1"
            await asyncio.to_thread(put, server, "sentiment", "2")
            await asyncio.to_thread(server.start)
            await until(lambda: version(predictors) == "2")
            assert predictors.problem == ""
        assert server.verbs().count("list") == 1, "the watch goes on where it was broken off"

    asyncio.run(scenario())


def test_events_that_the_server_forgot_are_made_up_for_by_a_list(server: KubernetesApi, access: Access) -> None:
    async def scenario() -> None:
        put(server, "moderation")
        async with watching(access) as predictors:
            await asyncio.to_thread(server.stop)
            await until(lambda: predictors.problem != "")
            server.remove(*SERVICES, "moderation")
            put(server, "sentiment", "3")
            server.expire()
            await asyncio.to_thread(server.start)
            await until(lambda: version(predictors) == "3")
            assert predictors.find("moderation") is None
        assert server.verbs().count("list") == 2

    asyncio.run(scenario())


def test_a_watch_that_is_told_to_list_again_does(server: KubernetesApi, access: Access) -> None:
    async def scenario() -> None:
        async with watching(access) as predictors:
            await until(lambda: "watch" in server.verbs())
            await asyncio.to_thread(server.expire)
            await until(lambda: server.verbs().count("list") == 2)
            await asyncio.to_thread(put, server, "sentiment", "2")
            await until(lambda: version(predictors) == "2")

    asyncio.run(scenario())


def test_a_bookmark_moves_the_place_from_which_a_broken_watch_goes_on(server: KubernetesApi, access: Access) -> None:
    async def scenario() -> None:
        async with watching(access):
            await until(lambda: server.verbs().count("watch") == 1)
            await asyncio.to_thread(server.bookmark)
            await asyncio.sleep(0.1)
            await asyncio.to_thread(server.break_watches)
            await until(lambda: server.verbs().count("watch") == 2)
        first, second = (int(call.query["resourceVersion"]) for call in server.calls if call.verb == "watch")
        assert second > first
        assert server.verbs().count("list") == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(("verb", "status"), [("list", 403), ("watch", 403), ("list", 401), ("list", 503)])
def test_a_refusal_is_told_and_tried_again(server: KubernetesApi, access: Access, verb: str, status: int) -> None:
    async def scenario() -> None:
        server.fail(status, verb=verb, times=1_000)
        async with watching(access, first_list_timeout_s=0.1) as predictors:
            await until(lambda: verb in server.verbs())
            await until(lambda: predictors.problem not in ("", "the InferenceServices have not been read yet"))
            if status == 403:
                assert f"does not permit to {verb} inferenceservices.serving.kserve.io" in predictors.problem
            server.recover()
            await until(lambda: version(predictors) == "1" and predictors.problem == "")

    asyncio.run(scenario())


def test_a_cluster_without_kserve_is_told(server: KubernetesApi, access: Access) -> None:
    async def scenario() -> None:
        server.withdraw("serving.kserve.io")
        async with watching(access, first_list_timeout_s=0.1) as predictors:
            await until(lambda: "does not know inferenceservices" in predictors.problem)

    asyncio.run(scenario())


def test_an_incomplete_object_takes_no_other_away(
    server: KubernetesApi, access: Access, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with watching(access) as predictors:
            await asyncio.to_thread(put, server, "sentiment", "2", canary=[{"predictor": {}}])
            await asyncio.to_thread(put, server, "moderation", "7")
            await until(lambda: version(predictors, "moderation") == "7")
            assert version(predictors) == "1"

    asyncio.run(scenario())
    assert "sentiment is incomplete" in caplog.text


def test_a_slow_cluster_is_waited_for(server: KubernetesApi, access: Access) -> None:
    async def scenario() -> None:
        server.fail(200, verb="list", delay_s=0.5)
        async with watching(access) as predictors:
            assert version(predictors) == "1"

    asyncio.run(scenario())


def test_the_api_starts_without_its_cluster_and_says_what_is_missing(
    server: KubernetesApi, access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.stop()
    predictors = WatchedPredictors("ml", access, first_list_timeout_s=0.1)
    with TestClient(create_app(Settings(home=tmp_path), predictors)) as client:
        assert client.get("/healthz").status_code == 200
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert f"The Kubernetes API at {server.url} does not answer" in answer.json()["detail"]
        answer = client.post("/api/ml/sentiment", json={"items": [{"id": "1", "text": "x"}]})
        assert (answer.status_code, "see /readyz" in answer.json()["detail"]) == (503, True)
        assert int(answer.headers["retry-after"]) < 10


def test_outside_a_cluster_without_kubeconfig_the_api_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    with pytest.raises(MediaReviewError, match="No Kubernetes cluster is known here"):
        create_app(Settings(home=tmp_path, serving_url="kubernetes://ml"))
