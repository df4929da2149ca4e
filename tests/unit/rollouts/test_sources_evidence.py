"""What is put together for the judge, and what is said of what cannot be seen."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mediareview.contracts import Exposure, Record, ShadowComparison
from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.objects import ObjectDirectory
from serving.rollouts.evidence import Calls
from serving.rollouts.plan import Mode, Plan
from serving.rollouts.rollout import Candidate, Rollout
from serving.rollouts.sources import EvidenceSource
from serving.rollouts.sources.calls import Seen

T0 = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NOW = T0 + timedelta(minutes=30)


class CallsSeen:
    """Calls as a test says, or trouble."""

    def __init__(self, canary: int = 0) -> None:
        self.canary = canary
        self.trouble = ""

    def read(self, rollouts: Iterable[Rollout], now: datetime) -> Mapping[str, Seen]:
        if self.trouble:
            raise MediaReviewError(self.trouble)
        calls = {"canary": Calls(self.canary, 0), "control": Calls(100, 0)}
        return {rollout.id: Seen(calls, calls) for rollout in rollouts}  # type: ignore[arg-type]


def rollout(mode: Mode = "canary", identity: str = "exp") -> Rollout:
    candidate = Candidate(version="2", uri="file:///2", predictor="v2")
    return Rollout(
        id=identity, model="sentiment", candidate=candidate, stable_version="1", stable_predictor="stable",
        plan=Plan(mode=mode), phase="running", traffic_percent=10, sequence=2, started_at=T0, changed_at=T0, reason="",
    )  # fmt: skip


class Home:
    """A home in which a service has a canary."""

    def __init__(self, root: Path) -> None:
        self.settings = Settings(home=root)
        self.objects = ObjectDirectory(self.settings.inference_services)
        self.calls = CallsSeen()
        self.source = EvidenceSource(self.settings, self.objects, self.calls)
        canary = {"trafficPercent": 10, "predictor": {"name": "v2", "model": {}}}
        self.objects.apply(
            {
                "kind": "InferenceService",
                "metadata": {"name": "sentiment"},
                "spec": {"predictor": {}, "canary": [canary]},
            }
        )
        self.ready(True)

    def ready(self, ready: bool) -> None:
        generation = self.objects.get("sentiment")["metadata"]["generation"]
        status = {"observedGeneration": generation, "canaryStatuses": [{"name": "v2", "ready": ready}]}
        self.objects.update_status("sentiment", status)

    def write(self, *found: Record) -> None:
        for event in found:
            path = self.settings.events / event.table / f"{T0:%Y%m%dT%H%M%S.%fZ}-1.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                file.write(event.model_dump_json() + "\n")

    def enrol(self, unit: str, variant: str, experiment: str = "exp") -> None:
        self.write(
            Exposure(experiment=experiment, unit=unit, variant=variant, propensity=0.5, request_id="q",
                     model="sentiment", occurred_at=T0)
        )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_all_that_can_be_seen_is_put_together(home: Home) -> None:
    home.calls.canary = 60
    home.enrol("u", "v2")
    home.enrol("w", "stable")
    evidence = home.source.read(rollout(), NOW)
    assert (evidence.at, evidence.blind, evidence.candidate_ready) == (NOW, (), True)
    assert evidence.enrolled == {"canary": 1, "control": 1}
    assert evidence.calls is not None
    assert evidence.calls["canary"].total == 60
    assert "agreement" in evidence.outcomes
    assert evidence.agreements is None


def test_calls_that_cannot_be_seen_take_nothing_from_the_rest(home: Home) -> None:
    home.calls.trouble = "Prometheus is away"
    home.enrol("u", "v2")
    evidence = home.source.read(rollout(), NOW)
    assert (evidence.calls, evidence.recent_calls, evidence.blind) == (None, None, ("Prometheus is away",))
    assert evidence.enrolled["canary"] == 1


def test_many_calls_and_no_exposure_mean_that_events_do_not_arrive(home: Home) -> None:
    home.calls.canary = 60
    assert "no exposure of it has arrived" in home.source.read(rollout(), NOW).blind[0]
    assert home.source.read(rollout("shadow"), NOW).blind == ()
    home.enrol("u", "v2")
    assert home.source.read(rollout(), NOW).blind == ()


def test_users_seen_in_both_variants_make_comparisons_worthless(home: Home) -> None:
    for unit in range(100):
        home.enrol(f"u{unit}", "v2")
    home.enrol("u0", "stable")
    assert home.source.read(rollout(), NOW).blind == ()
    home.enrol("u1", "stable")
    assert "2 users were seen in both variants" in home.source.read(rollout(), NOW).blind[0]


def test_since_when_a_candidate_is_not_ready_is_remembered(home: Home) -> None:
    home.ready(False)
    for minutes in (0, 5):
        evidence = home.source.read(rollout(), NOW + timedelta(minutes=minutes))
        assert (evidence.candidate_ready, evidence.unready_since) == (False, NOW)
    home.ready(True)
    assert home.source.read(rollout(), NOW).unready_since is None
    home.ready(False)
    later = NOW + timedelta(hours=1)
    assert home.source.read(rollout(), later).unready_since == later


def test_objects_that_cannot_be_read_are_said(home: Home) -> None:
    (home.objects.path / "sentiment.yaml").write_text("{")
    evidence = home.source.read(rollout(), NOW)
    assert not evidence.candidate_ready
    assert "the candidate's state cannot be read" in evidence.blind[0]


def test_events_that_cannot_be_read_are_said(home: Home) -> None:
    home.enrol("u", "v2")
    directory = home.settings.events / "answers" / f"{T0:%Y%m%dT%H%M%S.%fZ}-1.jsonl"
    directory.mkdir(parents=True)
    evidence = home.source.read(rollout(), NOW)
    assert "events cannot be read" in evidence.blind[0]
    assert evidence.calls is not None
    assert (evidence.enrolled, evidence.outcomes) == ({"canary": 0, "control": 0}, {})


def test_the_next_rollout_of_a_model_begins_with_nobody(home: Home) -> None:
    home.enrol("u", "v2")
    assert home.source.read(rollout(), NOW).enrolled["canary"] == 1
    home.enrol("w", "v2", "next")
    home.enrol("x", "v2", "next")
    assert home.source.read(rollout(identity="next"), NOW).enrolled["canary"] == 2


def test_in_shadow_mode_the_answers_are_compared(home: Home) -> None:
    for number, agreement in enumerate((1.0, 0.5)):
        home.write(
            ShadowComparison(request_id=f"q{number}", experiment="exp", model="sentiment", version="2",
                             agreement=agreement, occurred_at=T0)
        )  # fmt: skip
    for _ in range(2):
        evidence = home.source.read(rollout("shadow"), NOW)
        assert evidence.agreements is not None
        assert sorted(evidence.agreements) == [0.5, 1.0]
