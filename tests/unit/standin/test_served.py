"""How an InferenceService moves to what is asked for, without taking away what answers."""

from typing import Any

import pytest

from mediareview.errors import MediaReviewError
from serving.objects import is_ready, variants
from serving.standin.launch import Launch
from serving.standin.served import ServedModel, stopped_status


class Process:
    """Stands for a replica; the test decides what happens to it."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.ready = False
        self.failures = 0
        self.failure = ""
        self.url = f"http://{launch.version}"

    def tick(self, now: float) -> None:
        pass


def version(number: str) -> Launch:
    return Launch(("run", number), (), "/ready", number)


def service(stable: str = "", canaries: dict[str, int] | None = None) -> dict[str, Any]:
    predictor = {"name": stable} if stable else {}
    canary = [{"trafficPercent": share, "predictor": {"name": name}} for name, share in (canaries or {}).items()]
    return {"metadata": {"name": "m", "generation": 1}, "spec": {"predictor": predictor, "canary": canary}}


class Story:
    """A served model and the object it belongs to."""

    def __init__(self) -> None:
        self.processes: dict[str, Process] = {}
        self.retired: list[str] = []
        self.model = ServedModel(self._start)  # type: ignore[arg-type]
        self.object: dict[str, Any] = {}

    def _start(self, name: str, launch: Launch) -> Process:
        assert launch.version not in self.processes, "started twice"
        self.processes[launch.version] = Process(launch)
        return self.processes[launch.version]

    def tick(self, item: dict[str, Any], wanted: dict[str, Launch | MediaReviewError]) -> dict[str, str | None]:
        """Advance, and return the URLs by variant."""
        self.retired += [replica.launch.version for replica in self.model.tick(wanted, 0.0)]
        self.object = {**item, "status": self.model.status({**item, "status": self.object.get("status")}, wanted)}
        return {variant.name: variant.url for variant in variants(self.object)}

    def reason(self) -> tuple[str, str]:
        ready = self.object["status"]["conditions"][-1]
        return ready.get("reason", ""), ready.get("message", "")


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_first_version_answers_once_it_is_ready(story: Story) -> None:
    assert story.tick(service(), {"stable": version("1")}) == {"stable": None}
    assert story.reason()[0] == "Starting"
    story.processes["1"].ready = True
    assert story.tick(service(), {"stable": version("1")}) == {"stable": "http://1"}
    assert is_ready(story.object)


def test_the_old_version_answers_until_the_new_one_is_ready_and_then_goes(story: Story) -> None:
    story.tick(service(), {"stable": version("1")})
    story.processes["1"].ready = True
    story.tick(service(), {"stable": version("1")})
    assert story.tick(service(), {"stable": version("2")}) == {"stable": "http://1"}
    assert not is_ready(story.object)
    assert story.retired == []
    story.processes["2"].ready = True
    assert story.tick(service(), {"stable": version("2")}) == {"stable": "http://2"}
    assert story.retired == ["1"]


def test_a_version_that_fails_leaves_the_old_one_serving_and_says_why(story: Story) -> None:
    story.tick(service(), {"stable": version("1")})
    story.processes["1"].ready = True
    story.tick(service(), {"stable": version("1")})
    story.tick(service(), {"stable": version("2")})
    story.processes["2"].failures, story.processes["2"].failure = 2, "weights are damaged"
    assert story.tick(service(), {"stable": version("2")}) == {"stable": "http://1"}
    assert story.reason() == ("ModelLoadFailed", "stable version 2 does not start: weights are damaged")
    story.tick(service(), {"stable": version("1")})
    assert is_ready(story.object)
    assert story.retired == ["2"]


def test_a_dead_predictor_loses_its_url_at_once(story: Story) -> None:
    story.tick(service(), {"stable": version("1")})
    story.processes["1"].ready = True
    story.tick(service(), {"stable": version("1")})
    story.processes["1"].ready, story.processes["1"].failure = False, "signal 9"
    assert story.tick(service(), {"stable": version("1")}) == {"stable": None}
    assert story.reason() == ("Restarting", "stable version 1 is started again: signal 9")
    assert "url" not in story.object["status"]


def test_a_canary_runs_beside_and_promotion_keeps_its_process(story: Story) -> None:
    during: dict[str, Launch | MediaReviewError] = {"stable": version("1"), "v2": version("2")}
    story.tick(service(canaries={"v2": 10}), during)
    for process in story.processes.values():
        process.ready = True
    assert story.tick(service(canaries={"v2": 10}), during) == {"stable": "http://1", "v2": "http://2"}
    assert story.object["status"]["canaryStatuses"] == [{"name": "v2", "ready": True, "trafficPercent": 10}]
    assert story.tick(service(stable="v2"), {"v2": version("2")}) == {"v2": "http://2"}
    assert (story.retired, sorted(story.processes)) == (["1"], ["1", "2"])


def test_a_canary_that_does_not_start_is_told_apart_from_the_stable_predictor(story: Story) -> None:
    story.tick(service(), {"stable": version("1")})
    story.processes["1"].ready = True
    during: dict[str, Launch | MediaReviewError] = {"stable": version("1"), "v2": version("2")}
    story.tick(service(canaries={"v2": 10}), during)
    story.processes["2"].failures, story.processes["2"].failure = 2, "weights are damaged"
    assert story.tick(service(canaries={"v2": 10}), during) == {"stable": "http://1", "v2": None}
    conditions = {item["type"]: item for item in story.object["status"]["conditions"]}
    assert conditions["PredictorReady"]["status"] == "True"
    assert conditions["CanaryPredictorReady"]["reason"] == "ModelLoadFailed"
    assert "weights are damaged" in conditions["CanaryPredictorReady"]["message"]
    story.processes["2"].ready = True
    story.tick(service(canaries={"v2": 10}), during)
    assert is_ready(story.object)


def test_a_canary_that_is_rolled_back_goes(story: Story) -> None:
    story.tick(service(canaries={"v2": 10}), {"stable": version("1"), "v2": version("2")})
    assert story.tick(service(), {"stable": version("1")}) == {"stable": None}
    assert story.retired == ["2"]


def test_what_cannot_be_launched_is_reported_and_what_runs_goes_on(story: Story) -> None:
    story.tick(service(), {"stable": version("1")})
    story.processes["1"].ready = True
    story.tick(service(), {"stable": version("1")})
    error = MediaReviewError("No such runtime.", "Deploy it.")
    assert story.tick(service(), {"stable": error}) == {"stable": "http://1"}
    assert story.reason() == ("InvalidPredictorSpec", "No such runtime. Deploy it.")


def test_a_condition_keeps_the_time_of_its_last_change(story: Story) -> None:
    story.tick(service(), {"stable": version("1")})
    story.object["status"]["conditions"][-1]["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    story.tick(service(), {"stable": version("1")})
    assert story.object["status"]["conditions"][-1]["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    story.processes["1"].ready = True
    story.tick(service(), {"stable": version("1")})
    assert story.object["status"]["conditions"][-1]["lastTransitionTime"] != "2026-01-01T00:00:00Z"


def test_a_stopped_service_is_not_ready_and_has_no_urls() -> None:
    stopped = service()
    stopped["status"] = stopped_status(stopped)
    assert not is_ready(stopped)
    assert [variant.url for variant in variants(stopped)] == [None]
