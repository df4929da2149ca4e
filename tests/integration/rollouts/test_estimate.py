"""A registered recommender is estimated from a home's events, whose order the API's own exploration randomised."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from components.registry import Registry
from components.rollouts.commands import rollout
from mediareview.artifact import ModelCard
from mediareview.contracts import Feedback, ServedAnswer
from mediareview.errors import MediaReviewError
from mediareview.settings import get_settings
from serving.api.exploration import explore

pytestmark = pytest.mark.integration

APPEAL = {"a": 0.6, "b": 0.3, "c": 0.1}
ATTENTION = (1.0, 0.5)
TRUTH = APPEAL["a"] * ATTENTION[0] + APPEAL["b"] * ATTENTION[1]
"""Clicks per answer of the candidate, which ranks a, b, c; what serves ranks c, b, a."""
NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, recommender_artifact: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MEDIAREVIEW_HOME", str(tmp_path))
    get_settings.cache_clear()
    Registry.from_settings().register(recommender_artifact, ModelCard(), {"digest": "1"})
    yield tmp_path
    get_settings.cache_clear()


def log(home: Path, answers: int, exploration: float) -> None:
    """Write what the API logs of so many answers, to users who click by appeal and place."""
    people = random.Random(5)
    shown_lines, feedback_lines = [], []
    for number in range(answers):
        request_id, user = f"r{number}", f"u{number % 300}"
        shown = explore(["c", "b", "a"], 2, exploration, request_id)
        common = {"request_id": request_id, "model": "recommender", "version": "9", "occurred_at": NOW}
        answer = ServedAnswer(
            **common, experiment="exploration", unit=user, variant="stable", answered_by="stable",
            item_ids=shown.titles, propensities=shown.propensities if exploration else [],
        )  # fmt: skip
        shown_lines.append(answer.model_dump_json())
        clicked = [t for t, seen in zip(shown.titles, ATTENTION, strict=True) if people.random() < APPEAL[t] * seen]
        events = [("impression", shown.titles), *(("click", [title]) for title in clicked)]
        feedback_lines += [
            Feedback(
                **common, event_id=f"{request_id}-{place}", type=kind, user_id=user, item_ids=items
            ).model_dump_json()
            for place, (kind, items) in enumerate(events)
        ]
    for table, lines in (("answers", shown_lines), ("feedback", feedback_lines)):
        (home / "events" / table).mkdir(parents=True)
        (home / "events" / table / "1.jsonl").write_text("\n".join([*lines, ""]))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(rollout, ["estimate", "recommender", "--version", "1", *arguments])


def test_the_estimates_hold_the_truth_that_was_never_served(home: Path) -> None:
    log(home, 3000, 0.4)
    found = json.loads(run("--json").stdout)
    assert found["version"] == "1"
    assert found["logged"]["clicks_per_answer"] == pytest.approx(0.3, abs=0.08)
    assert [item["method"] for item in found["estimates"]] == ["IPS", "SNIPS", "DR"]
    for item in found["estimates"]:
        assert item["low"] < TRUTH < item["high"]
        assert item["clicks_per_answer"] == pytest.approx(TRUTH, rel=0.15)
        assert item["difference_low"] > 0
    assert found["diagnostics"]["overlap"] > 0.9


def test_the_terminal_shows_the_three_beside_what_was_logged(home: Path) -> None:
    log(home, 2000, 0.4)
    printed = run("--max-weight", "3").output
    for part in ("as logged", "IPS", "SNIPS", "DR", "overlap", "greatest weight", "% of the matches cut"):
        assert part in printed


def test_answers_in_a_fixed_order_are_refused_in_words(home: Path) -> None:
    log(home, 600, 0.0)
    refused = run()
    assert isinstance(refused.exception, MediaReviewError)
    assert "600 were in a fixed order" in str(refused.exception)
    assert "MEDIAREVIEW_EXPLORATION_SHARE" in str(refused.exception)


def test_a_version_that_is_not_registered_is_refused(home: Path) -> None:
    refused = CliRunner().invoke(rollout, ["estimate", "recommender", "--version", "77"])
    assert "has no version" in str(refused.exception)
