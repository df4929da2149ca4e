"""Evidence from the lake, as on a cluster, and from lake and journals together."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from mediareview.contracts import Exposure, Feedback, Record, ServedAnswer, ShadowComparison, to_arrow
from mediareview.errors import MediaReviewError
from mediareview.lake import Lake
from mediareview.settings import Settings
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import Candidate, Rollout
from serving.rollouts.sources import lake_events
from serving.rollouts.sources.events import RolloutEvents
from serving.standin.replica import free_port

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC)
START = NOW - timedelta(hours=1)


def rollout(model: str = "recommender") -> Rollout:
    candidate = Candidate(version="2", uri="file:///2", predictor="v2")
    return Rollout(
        id="exp", model=model, candidate=candidate, stable_version="1", stable_predictor="stable", plan=Plan(),
        phase="running", traffic_percent=10, sequence=2, started_at=START, changed_at=START, reason="",
    )  # fmt: skip


def events(units: range) -> list[Record]:
    """Users of whom every other one clicks, and who all clicked on half of what they were shown before."""
    found: list[Record] = []
    for number in units:
        moment, request, unit = START + timedelta(seconds=number), f"q{number}", f"u{number}"
        variant = "v2" if number % 2 else "stable"
        experiment = {"experiment": "exp", "unit": unit, "variant": variant, "model": "recommender"}
        found += [
            Exposure(**experiment, propensity=0.5, request_id=request, occurred_at=moment),
            ServedAnswer(**experiment, answered_by=variant, version="2", request_id=request, item_ids=["a", "b"],
                         occurred_at=moment),
        ]  # fmt: skip
        if number % 4 < 2:
            found.append(clicked(f"c{number}", request, moment + timedelta(seconds=5)))
        for past in range(2):
            before, earlier = START - timedelta(days=1, seconds=number), f"p{number}-{past}"
            shown = Feedback(event_id=f"i{number}-{past}", request_id=earlier, type="impression", user_id=unit,
                             item_ids=["a"], occurred_at=before)  # fmt: skip
            found += [shown, *([clicked(f"pc{number}", earlier, before)] if past else [])]
    return found


def clicked(event_id: str, request: str, moment: datetime) -> Feedback:
    return Feedback(event_id=event_id, request_id=request, type="click", item_ids=["b"], occurred_at=moment)


def ingest(settings: Settings, found: list[Record]) -> None:
    lake = Lake.from_settings(settings)
    for contract in (Exposure, ServedAnswer, Feedback):
        rows = [event for event in found if isinstance(event, contract)]
        if rows:
            lake.merge(contract.table, to_arrow(contract, rows), contract.key)


def journal(settings: Settings, found: list[Record]) -> None:
    for event in found:
        path = settings.events / event.table / f"{START:%Y%m%dT%H%M%S.%fZ}-1.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(event.model_dump_json(exclude_none=True) + "\n")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(lake_events, "LOOK_INTERVAL_S", 0.0)
    return Settings(home=tmp_path)


@contextlib.contextmanager
def server_that_counts(url: str) -> Iterator[list[object]]:
    """Listen at an address, and note who connects."""
    asked: list[object] = []
    with socket.create_server(("127.0.0.1", urlsplit(url).port or 0)) as listener:
        listener.settimeout(0.2)
        yield asked
        with contextlib.suppress(TimeoutError):
            asked.append(listener.accept())


Store = Callable[[Settings, list[Record]], None]


@pytest.mark.parametrize("store", [ingest, journal, lambda *both: (ingest(*both), journal(*both))])
def test_units_are_the_same_and_counted_once_wherever_their_events_are(settings: Settings, store: Store) -> None:
    store(settings, events(range(40)))
    source = RolloutEvents(settings, rollout())
    for _ in range(2):
        source.read(NOW)
        assert source.enrolled == {"canary": 20, "control": 20}
        outcome = source.outcomes(NOW)["click_rate"]
        assert list(outcome.values["canary"]) == [1.0, 0.0] * 10
        assert outcome.covariates is not None
        assert list(outcome.covariates["control"]) == [0.5] * 20


def test_what_is_ingested_later_is_taken_in(settings: Settings) -> None:
    found = events(range(40))
    ingest(settings, found[:80])
    source = RolloutEvents(settings, rollout())
    source.read(NOW)
    first = sum(source.enrolled.values())
    ingest(settings, found)
    source.read(NOW)
    assert first < sum(source.enrolled.values()) == 40


def test_what_could_not_be_read_is_read_once_the_lake_is_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(settings, events(range(40)))
    source = RolloutEvents(settings, rollout())
    dataset = Lake.dataset

    def breaks_off(lake: Lake, table: str, *arguments: Any, **options: Any) -> Any:
        if table == "answers":
            raise OSError("connection reset")
        return dataset(lake, table, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "dataset", breaks_off)
        for _ in range(2):
            with pytest.raises(MediaReviewError, match="connection reset"):
                source.read(NOW)
    source.read(NOW)
    assert list(source.outcomes(NOW)["click_rate"].values["canary"]) == [1.0, 0.0] * 10


def test_comparisons_of_shadow_mode_are_found_in_the_lake(settings: Settings) -> None:
    comparison = ShadowComparison(request_id="q", experiment="exp", model="recommender", version="2", agreement=0.5,
                                  occurred_at=NOW)  # fmt: skip
    Lake.from_settings(settings).merge("shadow", to_arrow(ShadowComparison, [comparison]), ShadowComparison.key)
    source = RolloutEvents(settings, rollout())
    source.read(NOW)
    assert source.agreements == [0.5]


def test_the_controller_and_whoever_asks_later_know_the_same(settings: Settings) -> None:
    found = events(range(40))
    ingest(settings, found[:70])
    journal(settings, found[50:120])
    running = RolloutEvents(settings, rollout())
    running.read(NOW)
    journal(settings, found[120:])
    ingest(settings, found[60:100])
    running.read(NOW)
    late = RolloutEvents(settings, rollout())
    late.read(NOW)
    assert running.enrolled == late.enrolled == {"canary": 20, "control": 20}
    left, right = (source.outcomes(NOW)["click_rate"].values for source in (running, late))
    assert {group: list(values) for group, values in left.items()} == {group: list(v) for group, v in right.items()}


def test_a_lake_that_is_away_is_asked_twice_a_minute_and_said_all_the_time(tmp_path: Path) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    settings = Settings(home=tmp_path, lake_url="s3://bucket/lake", s3_endpoint_url=away, s3_access_key_id="key",
                        s3_secret_access_key=SecretStr("secret"))  # fmt: skip
    lake = lake_events.LakeEvents(settings)
    with pytest.raises(MediaReviewError, match="the lake at s3://bucket/lake cannot be read"):
        lake.changed()
    with server_that_counts(away) as asked, pytest.raises(MediaReviewError, match="cannot be read"):
        lake.changed()
    assert asked == []


def test_a_lake_without_events_costs_nothing(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from datetime import UTC, datetime\n"
        "from mediareview.settings import Settings\n"
        "from serving.rollouts.rollout import Rollout\n"
        "from serving.rollouts.sources.events import RolloutEvents\n"
        "events = RolloutEvents(Settings(home=sys.argv[1]), Rollout.model_validate_json(sys.argv[2]))\n"
        "events.read(datetime.now(UTC)); events.outcomes(datetime.now(UTC))\n"
        "print(*{'pyarrow', 'deltalake', 'pandas', 'torch', 'fastapi'} & set(sys.modules))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), rollout("sentiment").model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
