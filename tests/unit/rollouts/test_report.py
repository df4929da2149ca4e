import json
from datetime import timedelta
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mediareview.contracts import Exposure, to_arrow
from mediareview.errors import MediaReviewError
from mediareview.lake import Lake
from mediareview.settings import Settings
from serving.rollouts.judge import judge
from serving.rollouts.plan import Plan
from serving.rollouts.report import html, summary, told, write_report
from serving.rollouts.sources.events import RolloutEvents
from tests.rollout_views import NOW, START, changes, evidence, rollout, view

PHASES = ("starting", "running", "paused", "promoted", "rolled_back")


class Page(HTMLParser):
    """What a browser would make of a page: its elements, its text, and whatever it would fetch or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.ids: list[str] = []
        self.active: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if name.startswith("on") or (name in ("src", "href", "data", "action") and not str(value).startswith("#")):
                self.active.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        self.text += data


@cache
def page(phase: str = "running", plan: Plan | None = None, reason: str = "all is well") -> Page:
    shown = view(phase, plan, reason)
    assert shown.rollout is not None
    enrolled = {
        "canary": [START + timedelta(seconds=s) for s in range(30, 1800, 9)],
        "control": [START + timedelta(seconds=s) for s in range(31, 1800, 9)],
    }
    return Page(html(shown, shown.rollout, enrolled))


@pytest.mark.parametrize("phase", PHASES)
def test_the_file_is_self_contained(phase: str) -> None:
    shown = page(phase)
    assert shown.active == []
    assert not {"script", "link", "iframe", "img", "object"} & set(shown.elements)
    assert len(shown.ids) == len(set(shown.ids))


@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_is_reported_with_plots_checks_history_and_plan(phase: str) -> None:
    shown = page(phase)
    assert shown.elements.count("svg") == 4
    for heading in ("Variants", "Traffic", "Quality", "Checks", "Latency", "Enrolment", "History", "Plan"):
        assert heading in shown.text
    assert "ann@laptop" in shown.text
    assert "50.0% canary" in shown.text


def test_what_people_wrote_is_text() -> None:
    shown = page(reason='<script>alert("x")</script> & <b>more</b>')
    assert "script" not in shown.elements
    assert '<script>alert("x")</script> & <b>more</b>' in shown.text


@pytest.mark.parametrize("mode", ["ab", "shadow"])
def test_every_mode_is_reported(mode: str) -> None:
    assert f"mode{mode}" in "".join(page(plan=Plan.model_validate({"mode": mode})).text.split())


def test_in_shadow_mode_no_effect_on_users_is_claimed() -> None:
    shown = view(plan=Plan(mode="shadow"), outcomes={}, enrolled={"canary": 0, "control": 0}, agreements=np.ones(40))
    assert shown.rollout is not None
    read = Page(html(shown, shown.rollout, {"canary": [], "control": []}))
    assert read.elements.count("svg") == 2
    for part in ("In shadow mode answers are compared", "no user sees the candidate", "answers alike"):
        assert part in read.text


def test_a_rollout_of_which_nothing_is_known_yet_is_reported(tmp_path: Path) -> None:
    nothing = np.zeros(0)
    known = evidence()
    empty = {"agreement": type(known.outcomes["agreement"])("agreement", True, {"canary": nothing, "control": nothing})}
    shown = view("starting", outcomes=empty, calls=None, recent_calls=None, enrolled={"canary": 0, "control": 0})
    assert shown.rollout is not None
    path = write_report(shown, shown.rollout, Settings(home=tmp_path), tmp_path / "report.html")
    text = Page(path.read_text()).text
    for part in ("Calls cannot be seen", "Nobody was enrolled", "too few units"):
        assert part in text


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    shown = view()
    assert shown.rollout is not None
    with pytest.raises(MediaReviewError, match="cannot be written"):
        write_report(shown, shown.rollout, Settings(home=tmp_path), tmp_path / "missing" / "report.html")


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        ("starting", "no user has seen it"),
        ("running", "version 2 answers 30 % of the users"),
        ("paused", "waits for a person"),
        ("promoted", "was promoted after 33 min"),
        ("rolled_back", "was taken back after 33 min"),
    ],
)
def test_the_summary_says_where_it_stands_and_what_decides(phase: str, said: str) -> None:
    shown = view(phase)
    assert shown.rollout is not None
    sentences = " ".join(summary(shown, shown.rollout))
    assert said in sentences
    assert "agreement, which decides, is" in sentences


def test_the_history_tells_the_evidence_of_a_change() -> None:
    verdict = judge(rollout(), evidence(gain=-0.3))
    (change,) = changes("starting", evidence=json.dumps({"verdict": verdict.model_dump(mode="json"), "looks": 3}))
    lines = list(told(change))
    assert any(line.startswith("agreement: loss -0.") for line in lines)
    assert "looks: 3" in lines


@pytest.mark.parametrize("recorded", ["no JSON", "[1]", '{"verdict": {"findings": [{"odd": 1}]}}'])
def test_evidence_of_another_kind_is_shown_as_it_is(recorded: str) -> None:
    assert "".join(told(changes("starting", evidence=recorded)[0]))


@pytest.mark.parametrize("where", ["journal", "lake"])
def test_units_are_enrolled_when_they_are_first_exposed(tmp_path: Path, where: str) -> None:
    def exposure(unit: str, variant: str, minute: int, experiment: str = "sentiment-v2-ab12") -> Exposure:
        return Exposure(
            experiment=experiment, unit=unit, variant=variant, propensity=0.5, request_id=f"{unit}{minute}",
            model="sentiment", occurred_at=START + timedelta(minutes=minute),
        )  # fmt: skip

    exposures = [
        exposure("a", "v2", 3),
        exposure("a", "v2", 1),
        exposure("b", "stable", 2),
        exposure("mixed", "stable", 2),
        exposure("mixed", "v2", 4),
    ]
    settings = Settings(home=tmp_path)
    if where == "journal":
        lines = [item.model_dump_json() for item in [*exposures, exposure("elsewhere", "v2", 2, experiment="other")]]
        directory = tmp_path / "events" / "exposures"
        directory.mkdir(parents=True)
        (directory / f"{NOW:%Y%m%dT%H%M%S.%fZ}-1.jsonl").write_text("\n".join([*lines, "half a li"]))
    else:
        # All of one experiment, as a file of the lake often is.
        Lake.from_settings(settings).merge("exposures", to_arrow(Exposure, exposures), Exposure.key)
    events = RolloutEvents(settings, rollout())
    events.read(NOW)
    assert events.enrolled_at == {
        "canary": [START + timedelta(minutes=1)],
        "control": [START + timedelta(minutes=2)],
    }
