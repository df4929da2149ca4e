import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from mediareview.contracts import RolloutChange
from mediareview.errors import MediaReviewError
from serving.objects import MissingError, ObjectDirectory
from serving.rollouts.evidence import Calls
from serving.rollouts.judge import judge
from serving.rollouts.latency import quantile_s
from serving.rollouts.plan import Plan
from serving.rollouts.terminal import bar, show, show_verdict
from serving.rollouts.view import View, document, read_view
from tests.rollout_views import BOUNDS_S, NOW, START, Source, changes, evidence, rollout, serve, view


def printed(shown: View, width: int = 80, printer: Callable[[Console, View], None] = show) -> str:
    file = io.StringIO()
    printer(Console(file=file, width=width, highlight=False, force_terminal=True, color_system=None), shown)
    return file.getvalue()


@pytest.fixture
def objects(tmp_path: Path) -> ObjectDirectory:
    return ObjectDirectory(tmp_path)


def read(
    objects: ObjectDirectory,
    source: Source,
    history: Callable[[str], list[RolloutChange]] = lambda name: changes("running"),
) -> View:
    return read_view("sentiment", objects, history, source, NOW)


def test_a_view_is_object_evidence_verdict_and_history(objects: ObjectDirectory) -> None:
    serve(objects, rollout())
    seen = read(objects, Source(evidence()))
    assert seen.rollout == rollout()
    assert [item.traffic_percent for item in seen.served] == [70, 30]
    assert seen.verdict == judge(rollout(), evidence())
    assert [change.sequence for change in seen.changes] == [1, 2, 3, 4]
    assert seen.unseen == ()


def test_changes_of_earlier_rollouts_are_left_out(objects: ObjectDirectory) -> None:
    serve(objects, rollout())
    earlier = [change.model_copy(update={"rollout": "sentiment-v1-0000"}) for change in changes("promoted")]
    seen = read(objects, Source(evidence()), lambda name: [*earlier, *changes("running")])
    assert len(seen.changes) == 4


def test_without_a_rollout_what_is_served_is_shown(objects: ObjectDirectory) -> None:
    serve(objects, None)
    seen = read(objects, Source(MediaReviewError("is not asked")))
    assert (seen.rollout, seen.evidence, seen.verdict, seen.unseen) == (None, None, None, ())
    assert "rollout start sentiment" in printed(seen)
    assert document(seen)["rollout"] is None


def test_what_cannot_be_read_is_said_and_the_rest_is_shown(objects: ObjectDirectory) -> None:
    serve(objects, rollout().model_copy(update={"pending": tuple(changes("running")[-1:])}))

    def away(name: str) -> list[RolloutChange]:
        raise MediaReviewError("the lake is away")

    seen = read(objects, Source(MediaReviewError("the API is away")), away)
    assert seen.unseen == ("the lake is away", "the API is away")
    assert [change.sequence for change in seen.changes] == [4]
    assert seen.verdict is None
    for line in ("the lake is away", "the API is away", "30 %", "1 changes wait"):
        assert line in printed(seen, 200)


def test_a_service_that_is_not_there_is_an_error(objects: ObjectDirectory) -> None:
    with pytest.raises(MissingError):
        read(objects, Source(evidence()))


def test_an_ended_rollout_shows_the_verdict_that_ended_it(objects: ObjectDirectory) -> None:
    ended = rollout("rolled_back")
    verdict = judge(rollout(), evidence(gain=-0.3))
    assert verdict.action == "roll_back"
    serve(objects, ended)
    recorded = json.dumps({"verdict": verdict.model_dump(mode="json")})
    source = Source(evidence(candidate_ready=False))
    seen = read(objects, source, lambda name: changes("rolled_back", evidence=recorded))
    assert seen.verdict == verdict
    assert source.asked == [ended.changed_at]


@pytest.mark.parametrize("recorded", ["", "{}", "no JSON", '{"verdict": {"action": "fly"}}'])
def test_a_rollout_ended_by_a_person_is_judged_by_what_is_seen(objects: ObjectDirectory, recorded: str) -> None:
    serve(objects, rollout("promoted"))
    seen = read(objects, Source(evidence()), lambda name: changes("promoted", evidence=recorded))
    before = rollout("promoted").model_copy(update={"traffic_percent": 30})
    assert seen.verdict is not None
    assert seen.verdict.findings == judge(before, evidence()).findings
    assert "readiness" not in [finding.name for finding in seen.verdict.findings]


def test_the_next_step_is_told_while_there_is_one() -> None:
    assert view().next_step == (40, START + timedelta(minutes=32))
    assert view(plan=Plan(max_percent=30)).next_step is None
    assert view(plan=Plan(mode="ab", traffic_percent=30)).next_step is None
    assert view("paused").next_step is None


def test_the_json_is_stable_and_standard() -> None:
    shown = document(view(gain=float(0)))
    assert list(shown) == ["model", "at", "served", "rollout", "evidence", "verdict", "unseen"]
    assert shown["rollout"]["phase"] == "running"
    assert shown["rollout"]["next_step"] == {"traffic_percent": 40, "not_before": "2026-11-20T11:57:00+00:00"}
    assert shown["evidence"]["calls"]["canary"]["failed"] == 3
    assert shown["evidence"]["outcomes"]["agreement"]["groups"]["control"]["missing"] == 13
    assert shown["verdict"]["action"] in ("hold", "step")
    json.loads(json.dumps(shown, allow_nan=False))


def test_the_tutorial_names_every_key_of_the_json() -> None:
    tutorial = (Path(__file__).parents[3] / "docs" / "tutorial-platform-engineers.md").read_text()
    shown = document(view(agreements=np.ones(2)))
    named = [*shown, *shown["evidence"], *shown["evidence"]["calls"]["canary"], *shown["verdict"], *shown["rollout"]]
    assert [key for key in named if f"`{key}`" not in tutorial] == []


def test_what_no_json_has_becomes_null() -> None:
    outcomes = evidence().outcomes["agreement"]
    nobody: dict[str, Any] = {"canary": np.zeros(0), "control": np.zeros(0)}
    empty = {"agreement": type(outcomes)("agreement", True, nobody)}
    shown = document(view(outcomes=empty, calls=None, recent_calls=None, agreements=np.array([0.5, 1.0])))
    json.dumps(shown, allow_nan=False)
    assert shown["evidence"]["calls"] is None
    assert shown["evidence"]["outcomes"]["agreement"]["groups"]["canary"]["mean"] is None
    assert shown["evidence"]["agreements"] == {"comparisons": 2, "mean": 0.75}


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("phase", ["starting", "running", "paused", "promoted", "rolled_back"])
def test_every_phase_fits_the_terminal(phase: str, width: int) -> None:
    lines = printed(view(phase), width).splitlines()
    assert max(map(len, lines)) <= width
    assert any("Variants" in line for line in lines)


def test_the_terminal_shows_what_a_platform_engineer_asks() -> None:
    text = printed(view(), 200)
    for part in (
        "version 2 against 1",
        "running",
        "██████░░░░░░░░░░░░░░",
        "30 % of the users, of at most 50 %",
        "next step to 40 %",
        "judge",
        "deadline",
        "1,200",
        "14,505",
        "3 (0.05%)",
        "agreement",
        "effect [interval]",
        "controller",
    ):
        assert part in text


def test_reasons_are_no_markup() -> None:
    assert "[red]see [link]" in printed(view(reason="[red]see [link]"), 200)
    assert "[/bold]" in printed(view(reason="[/bold]"), 200)


def test_analyze_says_what_would_be_done() -> None:
    def verdict(console: Console, shown: View) -> None:
        assert shown.rollout is not None
        show_verdict(console, shown, shown.rollout)

    text = printed(view(gain=-0.3), 80, verdict)
    assert "roll back: agreement" in text
    assert "loss" in text


def test_a_bar_is_empty_or_full_only_at_the_ends() -> None:
    assert [bar(percent, 4) for percent in (0, 1, 50, 99, 100)] == ["░░░░", "█░░░", "██░░", "███░", "████"]


def test_quantiles_come_from_the_buckets() -> None:
    seconds = np.random.default_rng(1).lognormal(np.log(0.02), 0.5, 20_000)
    calls = Calls(len(seconds), 4, {bound: int((seconds <= bound).sum()) for bound in BOUNDS_S})
    for q in (0.1, 0.5, 0.95):
        true_s, found_s = float(np.quantile(seconds, q)), quantile_s(calls, q)
        assert found_s is not None
        bucket = [0.0, *BOUNDS_S]
        upper = next(bound for bound in bucket if bound >= true_s)
        assert bucket[bucket.index(upper) - 1] <= found_s <= upper
    assert quantile_s(Calls(0, 3, {0.1: 0}), 0.5) is None
    assert quantile_s(Calls(10, 0, {0.1: 5, 0.2: 5}), 0.99) == 0.2
