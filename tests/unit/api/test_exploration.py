"""Randomised recommendations: what is shown, and with which probability."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from mediareview.contracts import ServedAnswer
from mediareview.settings import Settings
from serving.api import create_app
from serving.api.exploration import drawn_from, explore
from serving.experiments import Experiment, assign, variant_token

Events = Callable[..., list[dict[str, Any]]]

SETTINGS = st.tuples(st.integers(0, 12), st.integers(1, 10), st.floats(0.001, 0.5), st.text(min_size=1))


@given(SETTINGS)
def test_titles_are_distinct_and_their_propensities_are_those_of_the_mixture(
    case: tuple[int, int, float, str],
) -> None:
    many, limit, share, request_id = case
    ranked = list(range(many))
    shown = explore(ranked, limit, share, request_id)
    assert len(shown.titles) == len(set(shown.titles)) == len(shown.propensities) == min(limit, many)
    for place, (title, propensity) in enumerate(zip(shown.titles, shown.propensities, strict=True)):
        assert propensity == pytest.approx((1 - share) * (title == place) + share / many)
    assert explore(ranked, limit, share, request_id) == shown, "the same request is answered in the same way"


def test_each_title_comes_to_each_place_as_often_as_its_propensity_says() -> None:
    share, many, limit, requests = 0.5, 4, 2, 20_000
    seen: Counter[tuple[int, int]] = Counter()
    for number in range(requests):
        seen.update(enumerate(explore(range(many), limit, share, f"r{number}").titles))
    for place in range(limit):
        for title in range(many):
            expected = (1 - share) * (title == place) + share / many
            deviation = 4 * (expected * (1 - expected) / requests) ** 0.5
            assert abs(seen[place, title] / requests - expected) < deviation


def test_twice_as_many_titles_are_drawn_from_but_no_more_than_a_model_gives() -> None:
    assert (drawn_from(1), drawn_from(50), drawn_from(51), drawn_from(100)) == (2, 100, 100, 100)


@pytest.fixture
def exploring(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, exploration_share=0.5)


def test_what_was_shown_is_logged_with_propensities_and_as_the_impression(
    exploring: Settings, predictors: Any, events: Events
) -> None:
    with TestClient(create_app(exploring, predictors)) as client:
        answers = [client.get("/api/ml/recommendations?user_id=196&limit=2").json() for _ in range(40)]
        client.post("/api/ml/recommendations", json={"history": ["50"], "limit": 1})
    shown = {answer["request_id"]: [item["media_id"] for item in answer["items"]] for answer in answers}
    assert len({tuple(titles) for titles in shown.values()}) > 1
    assert all(len(titles) == 2 for titles in shown.values())
    *logged, anonymous = (ServedAnswer.model_validate(row) for row in events("answers"))
    assert {row.request_id: row.item_ids for row in logged} == shown
    assert {(row.experiment, row.unit, row.variant) for row in logged} == {("exploration", "196", "stable")}
    assert {value for row in logged for value in row.propensities} == {0.5 + 0.5 / 3, 0.5 / 3}
    assert anonymous.unit == anonymous.request_id
    impressions = {row["request_id"]: row["item_ids"] for row in events() if row["request_id"] in shown}
    assert impressions == shown
    assert {body["instances"][0]["limit"] for _, _, body in predictors.requests} == {4, 2}


def test_answers_of_an_experiment_carry_its_id_and_others_do_not(
    exploring: Settings, predictors: Any, events: Events
) -> None:
    experiment = Experiment("e1", "canary", "stable", "v4", 20, 50)
    predictors.split("recommender", experiment)
    users = [f"u{number}" for number in range(30)]
    with TestClient(create_app(exploring, predictors)) as client:
        for user in users:
            client.get(f"/api/ml/recommendations?user_id={user}")
    enrolled = {user for user in users if assign(experiment, user).enrolled}
    assert {(row["unit"], row["experiment"]) for row in events("answers")} == {
        (user, "e1" if user in enrolled else "exploration") for user in users
    }
    assert {row["unit"] for row in events("exposures")} == enrolled


def test_a_tester_sees_the_model_s_own_order(exploring: Settings, predictors: Any, events: Events) -> None:
    token = variant_token(exploring, "recommender", "stable")
    with TestClient(create_app(exploring, predictors)) as client:
        for _ in range(20):
            answer = client.get("/api/ml/recommendations?user_id=196&limit=2", headers={"X-Variant": token})
            assert [item["media_id"] for item in answer.json()["items"]] == ["0", "1"]
    assert not events("answers")


def test_without_exploration_nothing_is_randomised_or_logged(client: TestClient, predictors: Any) -> None:
    for _ in range(20):
        answer = client.get("/api/ml/recommendations?user_id=196&limit=2").json()
        assert [item["media_id"] for item in answer["items"]] == ["0", "1"]
    assert {body["instances"][0]["limit"] for _, _, body in predictors.requests} == {2}
