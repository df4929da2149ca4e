"""A SparkApplication's life, against a server that speaks the Kubernetes API, and what is made of its end."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from components.preprocessing import FeatureSummary, prepare, prepare_features
from components.preprocessing.record import input_digest, keep, newest_pins, preparing_alone
from components.preprocessing.spark_application import run_application
from mediareview import kubernetes
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Access, Kubernetes, KubernetesError
from mediareview.lake import Lake
from mediareview.settings import Settings
from tests.kubernetes_api import KubernetesApi, running

PLURAL = ("sparkoperator.k8s.io/v1beta2", "sparkapplications", "ml")
NAME = "preprocessing-0123456789ab"
DIGEST = "0123456789abcdef"
TEMPLATE = {
    "apiVersion": PLURAL[0],
    "kind": "SparkApplication",
    "metadata": {
        "name": "preprocessing",
        "namespace": "ml",
        "labels": {"app.kubernetes.io/name": "spark", "app.kubernetes.io/instance": "made-by-a-tool"},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    },
    "spec": {"suspend": True, "image": "mediareview/spark:9", "driver": {"memory": "2g"}},
}


def status(state: str, message: str = "") -> dict[str, Any]:
    return {"applicationState": {"state": state, **({"errorMessage": message} if message else {})}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesApi]:
    monkeypatch.setattr(kubernetes, "RETRY_DELAYS_S", ())
    with running() as server:
        server.put(TEMPLATE)
        yield server


@pytest.fixture
def run(server: KubernetesApi) -> Callable[..., list[str]]:
    def run(timeout_s: float = 30) -> list[str]:
        said: list[str] = []
        cluster = Kubernetes(Access(server.url, lambda: f"Bearer {server.token}", None), timeout_s=2)
        run_application("ml", DIGEST, {"ratings": 3, "media": 1}, said.append, cluster, timeout_s, poll_s=0.01)
        return said

    return run


@pytest.fixture
def operator(server: KubernetesApi) -> Iterator[Callable[..., None]]:
    """Return a function that says which states the next application goes through, each after it was looked at."""
    threads = []

    def plays(*states: dict[str, Any]) -> None:
        def looks() -> int:
            return sum(call.verb == "get" and call.path.endswith(NAME) for call in server.calls)

        def play() -> None:
            for state in states:
                before = looks()
                while server.get(*PLURAL, NAME) is None or (state is not states[0] and looks() <= before):
                    threading.Event().wait(0.005)
                server.set_status(*PLURAL, NAME, state)

        threads.append(threading.Thread(target=play, daemon=True))
        threads[-1].start()

    yield plays
    for thread in threads:
        thread.join(timeout=5)


def test_a_copy_of_the_declared_one_is_run_to_its_end(
    server: KubernetesApi, run: Callable[..., list[str]], operator: Callable[..., None]
) -> None:
    operator(status("SUBMITTED"), status("RUNNING"), status("COMPLETED"))
    said = run()
    assert f"kubectl logs -n ml -f {NAME}-driver" in said[0]
    assert said[-1] == "Spark: running"
    made = server.get(*PLURAL, NAME)
    assert made is not None
    assert made["spec"] == {
        **TEMPLATE["spec"],  # type: ignore[dict-item]
        "suspend": False,
        "arguments": ["--pins", '{"media": 1, "ratings": 3}'],
    }
    # Tools that keep a cluster equal to git know their objects by labels and annotations, and delete strangers.
    assert made["metadata"]["labels"] == {"app.kubernetes.io/name": "spark"}
    assert not made["metadata"].get("annotations")
    declared = server.get(*PLURAL, "preprocessing")
    assert declared is not None
    assert declared["spec"] == TEMPLATE["spec"]


def test_the_same_work_is_followed_and_not_done_twice(
    server: KubernetesApi, run: Callable[..., list[str]], operator: Callable[..., None]
) -> None:
    first = server.put({**TEMPLATE, "metadata": {"name": NAME, "namespace": "ml"}}, status=status("RUNNING"))
    operator(status("RUNNING"), status("COMPLETED"))
    run()
    assert "delete" not in server.verbs()
    assert server.get(*PLURAL, NAME)["metadata"]["uid"] == first["metadata"]["uid"]  # type: ignore[index]


@pytest.mark.parametrize("ended", ["FAILED", "COMPLETED"])
def test_one_that_has_ended_makes_room_for_a_new_attempt(
    server: KubernetesApi, run: Callable[..., list[str]], operator: Callable[..., None], ended: str
) -> None:
    server.put({**TEMPLATE, "metadata": {"name": NAME, "namespace": "ml"}}, status=status(ended))

    def renew() -> None:
        while "delete" not in server.verbs() or server.get(*PLURAL, NAME) is None:
            threading.Event().wait(0.005)
        operator(status("COMPLETED"))

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    run()
    thread.join(timeout=5)
    assert server.verbs().count("create") == 2


def test_a_failure_is_passed_on_with_the_way_to_the_logs(
    run: Callable[..., list[str]], operator: Callable[..., None]
) -> None:
    operator(status("RUNNING"), status("FAILED", "driver container failed with ExitCode: 1"))
    with pytest.raises(MediaReviewError, match="driver container failed with ExitCode: 1") as failure:
        run()
    assert f"kubectl logs -n ml {NAME}-driver" in failure.value.hint


def test_one_that_takes_too_long_is_deleted(server: KubernetesApi, run: Callable[..., list[str]]) -> None:
    with pytest.raises(MediaReviewError, match=r"not complete after 0.1 s \(NEW\); it was deleted") as failure:
        run(timeout_s=0.1)
    assert "does not watch this namespace" in failure.value.hint
    assert server.get(*PLURAL, NAME) is None


def test_one_that_was_deleted_by_somebody_else_is_not_waited_for(
    server: KubernetesApi, run: Callable[..., list[str]]
) -> None:
    def delete() -> None:
        while server.get(*PLURAL, NAME) is None:
            threading.Event().wait(0.005)
        server.remove(*PLURAL, NAME)

    thread = threading.Thread(target=delete, daemon=True)
    thread.start()
    with pytest.raises(MediaReviewError, match="was deleted while it ran"):
        run()
    thread.join(timeout=5)


def test_a_server_that_is_away_is_waited_for(
    server: KubernetesApi, run: Callable[..., list[str]], operator: Callable[..., None]
) -> None:
    operator(status("RUNNING"), status("RUNNING"), status("COMPLETED"))

    def disturb() -> None:
        while server.get(*PLURAL, NAME) is None:
            threading.Event().wait(0.005)
        for code in (503, 429, 0):
            server.fail(code, verb="get")

    thread = threading.Thread(target=disturb, daemon=True)
    thread.start()
    run()
    thread.join(timeout=5)


def test_without_the_manifests_it_is_said_what_is_missing(server: KubernetesApi, run: Callable[..., list[str]]) -> None:
    server.remove(*PLURAL, "preprocessing")
    with pytest.raises(MediaReviewError, match="declares no SparkApplication 'preprocessing'") as failure:
        run()
    assert "duckdb://" in failure.value.hint


def test_without_the_operator_it_is_said_what_to_install(server: KubernetesApi, run: Callable[..., list[str]]) -> None:
    server.withdraw("sparkoperator.k8s.io")
    with pytest.raises(KubernetesError, match=r"does not know sparkapplications\.sparkoperator\.k8s\.io"):
        run()


def test_without_the_right_it_is_said_what_to_grant(server: KubernetesApi, run: Callable[..., list[str]]) -> None:
    server.forbid("create", "sparkapplications")
    with pytest.raises(KubernetesError, match="does not permit to create") as failure:
        run()
    assert "Grant the verb 'create' on sparkapplications.sparkoperator.k8s.io" in failure.value.hint


class Home:
    """A home whose features an application prepares, as far as anybody sees."""

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.settings = Settings(home=directory, engine_url="kubernetes://ml")
        self.lake = Lake.from_settings(self.settings)
        self.lake.append("media", pa.table({"media_id": ["a"]}))
        self.runs: list[tuple[str, dict[str, int]]] = []
        patch.setattr(prepare, "run_application", self._run)

    def record(self, **changes: Any) -> None:
        pins = newest_pins(self.lake)
        summary = FeatureSummary(digest=input_digest(self.lake, pins), pins=pins, filled=True)
        with preparing_alone(self.settings, print):
            keep(summary.model_copy(update=changes), self.settings)

    def _run(self, namespace: str, digest: str, pins: dict[str, int], say: Callable[[str], None]) -> None:
        self.runs.append((namespace, pins))
        self.work()

    def work(self) -> None:
        self.record()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(tmp_path, monkeypatch)


def test_an_application_prepares_what_the_engine_url_asks_for(home: Home) -> None:
    summary = prepare_features(home.lake, home.settings, progress=print)
    assert home.runs == [("ml", {"media": 0})]
    assert summary.filled
    assert not summary.reused


def test_features_that_are_computed_need_no_application(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.record()
    monkeypatch.setattr(prepare, "why_not_filled", lambda last, settings: "")
    assert prepare_features(home.lake, home.settings, progress=print).reused
    assert not home.runs


@pytest.mark.parametrize("wrong", [{"digest": "of other code"}, {"filled": False}])
def test_an_application_that_worked_elsewhere_is_not_believed(home: Home, wrong: dict[str, Any]) -> None:
    home.work = lambda: home.record(**wrong)  # type: ignore[method-assign]
    with pytest.raises(MediaReviewError, match="complete, but its features are not in") as failure:
        prepare_features(home.lake, home.settings, progress=print)
    assert "the same volume" in failure.value.hint
