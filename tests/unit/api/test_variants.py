"""Two variants of a model: who gets which, what is recorded of it, and what happens when the canary fails."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from mediareview.contracts import Exposure, ServedAnswer
from mediareview.settings import Settings
from serving.api import create_app
from serving.experiments import Experiment, assign, variant_token

Events = Callable[..., list[dict[str, Any]]]

EXPERIMENT = Experiment("e1", "canary", "stable", "v4", 20, 50)
USERS = [f"u{number}" for number in range(60)]
TEXT = [{"id": "t", "text": "a good film"}]
CANARY = next(user for user in USERS if assign(EXPERIMENT, user).variant == "v4")
CONTROL = next(user for user in USERS if assign(EXPERIMENT, user).enrolled and assign(EXPERIMENT, user).variant != "v4")
BETWEEN = next(user for user in USERS if not assign(EXPERIMENT, user).enrolled)


def sentiment(client: TestClient, user_id: str | None = None, **headers: str) -> Any:
    body = {"items": TEXT, **({"user_id": user_id} if user_id else {})}
    return client.post("/api/ml/sentiment", json=body, headers=headers)


def variant(answer: Any) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model"]["variant"])


def calls(client: TestClient, of: str) -> dict[str, float]:
    """Return outcome to number of calls of a variant."""
    found = {}
    for line in client.get("/metrics").text.splitlines():
        if line.startswith("mediareview_api_predictor_seconds_count") and f'variant="{of}"' in line:
            found[line.split('outcome="')[1].split('"')[0]] = float(line.rsplit(" ", 1)[1])
    return found


def test_each_user_gets_the_assigned_variant_of_every_model_however_often_they_ask(
    client: TestClient, predictors: Any
) -> None:
    for model in ("sentiment", "moderation", "recommender"):
        predictors.split(model, EXPERIMENT)
    for user in USERS * 2:
        expected = assign(EXPERIMENT, user).variant
        assert variant(sentiment(client, user)) == expected
        assert variant(client.post("/api/ml/moderation", json={"items": TEXT, "user_id": user})) == expected
        assert variant(client.get(f"/api/ml/recommendations?user_id={user}")) == expected
    assert {variant(sentiment(client, user)) for user in USERS} == {"stable", "v4"}


def test_the_version_in_the_answer_is_that_of_the_variant(client: TestClient, predictors: Any) -> None:
    predictors.split("sentiment", EXPERIMENT)
    assert sentiment(client, CANARY).json()["model"] == {"name": "sentiment", "version": "4", "variant": "v4"}
    assert sentiment(client, CONTROL).json()["model"] == {"name": "sentiment", "version": "3", "variant": "stable"}


def test_the_only_author_of_texts_is_who_they_are_moderated_for(client: TestClient, predictors: Any) -> None:
    predictors.split("moderation", EXPERIMENT)

    def moderate(*authors: str | None, **more: str) -> Any:
        items = [{"id": str(place), "text": "hello", "author_id": author} for place, author in enumerate(authors)]
        return client.post("/api/ml/moderation", json={"items": items, **more})

    assert variant(moderate(CANARY, CANARY)) == "v4"
    assert variant(moderate(CANARY, user_id=CONTROL)) == "stable", "who asks comes first"
    assert "x-visitor" not in moderate(CANARY).headers
    assert "x-visitor" in moderate(CANARY, CONTROL).headers
    client.cookies.clear()
    assert "x-visitor" in moderate(CANARY, None).headers


def test_the_user_is_not_sent_to_the_model_of_texts(client: TestClient, predictors: Any) -> None:
    sentiment(client, "u1")
    client.post("/api/ml/moderation", json={"items": TEXT, "user_id": "u1"})
    assert "u1" not in json.dumps([body for _, _, body in predictors.requests])


def test_without_traffic_nobody_is_enrolled_and_nobody_gets_a_token(
    settings: Settings, predictors: Any, events: Events
) -> None:
    predictors.split("sentiment", Experiment("e1", "canary", "stable", "v4", 0, 50))
    with TestClient(create_app(settings, predictors)) as client:
        assert {variant(sentiment(client, user)) for user in USERS} == {"stable"}
        assert "x-visitor" not in sentiment(client).headers
    assert events("exposures") == events("answers") == []


def test_exposures_are_recorded_once_and_answers_each_time(settings: Settings, predictors: Any, events: Events) -> None:
    predictors.split("sentiment", EXPERIMENT)
    with TestClient(create_app(settings, predictors)) as client:
        answers = [sentiment(client, user) for user in (CANARY, CONTROL, BETWEEN) for _ in range(3)]
    exposures = [Exposure.model_validate(row) for row in events("exposures")]
    assert [(row.experiment, row.unit, row.variant, row.propensity, row.model) for row in exposures] == [
        ("e1", CANARY, "v4", 0.5, "sentiment"),
        ("e1", CONTROL, "stable", 0.5, "sentiment"),
    ]
    assert [row.request_id for row in exposures] == [answers[place].json()["request_id"] for place in (0, 3)]
    served = [ServedAnswer.model_validate(row) for row in events("answers")]
    assert [row.unit for row in served] == [CANARY] * 3 + [CONTROL] * 3
    assert [row.request_id for row in served] == [answer.json()["request_id"] for answer in answers[:6]]
    first = served[0]
    assert (first.variant, first.answered_by, first.version) == ("v4", "v4", "4")
    assert (first.item_ids, first.labels, first.scores, first.propensities) == (["t"], ["positive"], [0.5], [])


def test_the_record_of_moderation_holds_actions_and_of_recommendations_titles(
    settings: Settings, predictors: Any, events: Events
) -> None:
    predictors.split("moderation", EXPERIMENT)
    predictors.split("recommender", EXPERIMENT)
    with TestClient(create_app(settings, predictors)) as client:
        client.post("/api/ml/moderation", json={"items": TEXT, "user_id": CANARY})
        client.get(f"/api/ml/recommendations?user_id={CANARY}&limit=2")
    moderation, recommendations = (ServedAnswer.model_validate(row) for row in events("answers"))
    assert (moderation.labels, moderation.scores) == (["review"], [0.75])
    assert (recommendations.item_ids, recommendations.labels) == (["0", "1"], [])
    assert recommendations.scores == [1.0, 0.9]


def test_after_a_restart_nobody_is_enrolled_again(settings: Settings, predictors: Any, events: Events) -> None:
    predictors.split("sentiment", EXPERIMENT)
    for _ in range(2):
        with TestClient(create_app(settings, predictors)) as client:
            sentiment(client, CANARY)
    assert len(events("exposures")) == 1
    assert len(events("answers")) == 2


def test_a_journal_with_lines_of_another_release_is_recalled_without_them(
    settings: Settings, predictors: Any, events: Events
) -> None:
    directory = settings.events / "exposures"
    directory.mkdir(parents=True)
    lines = [b"[1]", b'"x"', b"{", b'{"experiment": "e1"}', b'{"experiment": "e1", "unit": "%s"}' % CANARY.encode()]
    (directory / "20250101T000000.000000Z-1.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    predictors.split("sentiment", EXPERIMENT)
    with TestClient(create_app(settings, predictors)) as client:
        sentiment(client, CANARY)
    assert len(list(directory.iterdir())) == 1, "no new exposure"


def test_an_exposure_that_could_not_be_stored_is_recorded_with_the_next_answer(
    settings: Settings, predictors: Any, events: Events
) -> None:
    predictors.split("sentiment", EXPERIMENT)
    settings.events.mkdir()
    obstacle = settings.events / "exposures"
    obstacle.write_bytes(b"")
    with TestClient(create_app(settings, predictors)) as client:
        assert variant(sentiment(client, CANARY)) == "v4", "the answer does not depend on it"
        lost = 'mediareview_api_events_total{outcome="lost",type="exposures"} 1.0'
        while lost not in client.get("/metrics").text:
            pass
        obstacle.unlink()
        sentiment(client, CANARY)
    (row,) = events("exposures")
    assert row["unit"] == CANARY


def test_a_visitor_is_known_by_the_header_and_by_the_cookie(
    settings: Settings, predictors: Any, events: Events
) -> None:
    predictors.split("sentiment", EXPERIMENT)
    with TestClient(create_app(settings, predictors)) as client:
        first = sentiment(client)
        token = first.headers["x-visitor"]
        cookie = SimpleCookie(first.headers["set-cookie"])["mediareview_visitor"]
        assert (cookie.value, cookie["samesite"], cookie["httponly"]) == (token, "lax", True)
        assert (cookie["max-age"], cookie["secure"]) == (str(365 * 86400), "")
        client.cookies.clear()
        by_header = sentiment(client, **{"X-Visitor": token})
        by_cookie = sentiment(client, Cookie=f"a=b; mediareview_visitor={token}")
        assert variant(by_header) == variant(by_cookie) == variant(first)
        for known in (by_header, by_cookie):
            assert "x-visitor" not in known.headers
            assert "set-cookie" not in known.headers
    units = {row["unit"] for row in events("answers")}
    assert units in (set(), {token.rsplit(".", 1)[0]}), "one visitor, if enrolled at all"


def test_visitors_are_shared_out_and_stay_with_their_variant(client: TestClient, predictors: Any) -> None:
    predictors.split("sentiment", EXPERIMENT)
    seen = set()
    for _ in range(60):
        first = sentiment(client)
        client.cookies.clear()
        again = sentiment(client, **{"X-Visitor": first.headers["x-visitor"]})
        assert variant(first) == variant(again)
        seen.add(variant(first))
    assert seen == {"stable", "v4"}


@pytest.mark.parametrize(
    "forge", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "Q"), lambda t: "visitor-mine." + t, str.upper]
)
def test_a_forged_token_is_replaced(client: TestClient, predictors: Any, forge: Callable[[str], str]) -> None:
    predictors.split("sentiment", EXPERIMENT)
    token = sentiment(client).headers["x-visitor"]
    client.cookies.clear()
    answer = sentiment(client, **{"X-Visitor": forge(token)})
    assert answer.status_code == 200
    assert answer.headers["x-visitor"] not in (token, forge(token))


def test_a_visitor_of_a_key_that_is_rotated_stays_who_they_are_and_gets_a_new_token(
    tmp_path: Path, predictors: Any
) -> None:
    predictors.split("sentiment", EXPERIMENT)
    old, new = "o" * 32, "n" * 32

    def ask(keys: str, token: str) -> Any:
        with TestClient(create_app(Settings(home=tmp_path, signing_key=keys), predictors)) as client:
            return sentiment(client, **{"X-Visitor": token}).headers.get("x-visitor")

    first = ask(old, "")
    second = ask(f"{new},{old}", first)
    assert second != first
    assert second.split(".")[0] == first.split(".")[0]
    assert ask(new, second) is None
    assert ask(new, first).split(".")[0] != first.split(".")[0], "the old key is no longer good"


@pytest.mark.parametrize(("forwarded", "secure"), [("https", True), ("https, http", True), ("http", False)])
def test_the_cookie_is_for_https_where_the_visitor_uses_it(
    client: TestClient, predictors: Any, forwarded: str, secure: bool
) -> None:
    predictors.split("sentiment", EXPERIMENT)
    answer = sentiment(client, **{"X-Forwarded-Proto": forwarded})
    assert ("Secure" in answer.headers["set-cookie"]) is secure


def test_no_token_is_given_where_it_is_of_no_use(client: TestClient, predictors: Any) -> None:
    assert "x-visitor" not in sentiment(client).headers, "no experiment"
    predictors.split("sentiment", EXPERIMENT)
    answer = sentiment(client, "u1")
    assert "x-visitor" not in answer.headers, "a user"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(("chosen", "expected"), [("v4", "v4"), ("canary", "v4"), ("stable", "stable")])
def test_a_tester_chooses_and_is_no_part_of_the_experiment(
    settings: Settings, predictors: Any, events: Events, chosen: str, expected: str
) -> None:
    predictors.split("sentiment", EXPERIMENT)
    token = variant_token(settings, "sentiment", chosen)
    with TestClient(create_app(settings, predictors)) as client:
        for user in (CANARY, CONTROL, None):
            answer = sentiment(client, user, **{"X-Variant": token})
            assert variant(answer) == expected
            assert "x-visitor" not in answer.headers
    assert events("exposures") == events("answers") == []


def test_a_tester_may_choose_a_canary_without_traffic(settings: Settings, client: TestClient, predictors: Any) -> None:
    predictors.split("sentiment", Experiment("e1", "canary", "stable", "v4", 0, 50))
    assert variant(sentiment(client, **{"X-Variant": variant_token(settings, "sentiment", "canary")})) == "v4"


@pytest.mark.parametrize(
    ("model", "chosen", "says"),
    [
        ("moderation", "v4", "for the moderation model"),
        ("sentiment", "v5", "no variant v5"),
        ("sentiment", "canary", "no variant canary"),
        ("", "", "not made here"),
    ],
)
def test_a_token_that_is_not_good_for_this_is_refused_and_reaches_no_model(
    settings: Settings, client: TestClient, predictors: Any, model: str, chosen: str, says: str
) -> None:
    if chosen != "canary":
        predictors.split("sentiment", EXPERIMENT)
    token = variant_token(settings, model, chosen) if model else "made-up"
    answer = sentiment(client, **{"X-Variant": token})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:mediareview:problem:variant-refused")
    assert says in answer.json()["detail"]
    assert "mediareview rollout token sentiment" in answer.json()["detail"]
    assert token not in answer.text or token == "made-up"
    assert not predictors.requests


BROKEN_CANARIES = {
    "error": JSONResponse({"error": "x"}, 500),
    "bad request": JSONResponse({"error": "x"}, 400),
    "too few": JSONResponse({"predictions": []}),
    "other shape": JSONResponse({"predictions": [{"label": "excellent", "scores": {}}]}),
    "no probabilities": JSONResponse(
        {"predictions": [{"label": "positive", "scores": {"positive": 7.0, "neutral": 0.0, "negative": 0.0}}]}
    ),
    "a score is missing": JSONResponse({"predictions": [{"label": "positive", "scores": {"positive": 1.0}}]}),
    "no JSON": Response(b"<html>", media_type="text/html"),
}


@pytest.mark.parametrize("broken", list(BROKEN_CANARIES))
def test_where_the_canary_fails_the_stable_variant_answers_and_the_failure_counts(
    settings: Settings, predictors: Any, events: Events, broken: str
) -> None:
    predictors.split("sentiment", EXPERIMENT)
    predictors.answers["sentiment/canary"] = BROKEN_CANARIES[broken]
    with TestClient(create_app(settings, predictors)) as client:
        assert variant(sentiment(client, CANARY)) == "stable"
        assert calls(client, "v4") == {"failed": 1}
        assert calls(client, "stable") == {"ok": 1}
    assert predictors.asked() == ["sentiment/canary", "sentiment"]
    (answer,) = events("answers")
    assert (answer["variant"], answer["answered_by"], answer["version"]) == ("v4", "stable", "3")
    (exposure,) = events("exposures")
    assert exposure["variant"] == "v4"


def test_what_the_canary_has_no_time_for_the_stable_variant_answers_and_it_is_no_failure(
    client: TestClient, predictors: Any
) -> None:
    predictors.split("sentiment", EXPERIMENT)
    predictors.answers["sentiment/canary"] = JSONResponse({"error": "busy"}, 503)
    assert variant(sentiment(client, CANARY)) == "stable"
    assert calls(client, "v4") == {"overloaded": 1}


def test_a_canary_that_takes_half_the_time_limit_leaves_the_other_half_to_the_stable_variant(
    tmp_path: Path, predictors: Any
) -> None:
    predictors.split("sentiment", EXPERIMENT)
    predictors.delays_s = {"sentiment/canary": 2.0}
    settings = Settings(home=tmp_path, sentiment_timeout_s=1.0)
    with TestClient(create_app(settings, predictors)) as client:
        assert variant(sentiment(client, CANARY)) == "stable"
        assert calls(client, "v4") == {"timeout": 1}


def test_a_slow_canary_leaves_the_stable_variant_room_to_answer(tmp_path: Path, predictors: Any) -> None:
    predictors.split("sentiment", EXPERIMENT)
    predictors.delays_s = {"sentiment/canary": 60.0}
    settings = Settings(home=tmp_path, predictor_concurrency=4, sentiment_timeout_s=6.0)
    with TestClient(create_app(settings, predictors)) as client, ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(sentiment, client, CANARY) for _ in range(2)]
        while predictors.asked().count("sentiment/canary") < 2:
            pass
        assert variant(sentiment(client, CANARY)) == variant(sentiment(client, CONTROL)) == "stable"
        assert not any(request.done() for request in slow)
        assert calls(client, "v4") == {"overloaded": 1}


def test_a_dead_canary_is_left_alone_after_some_failures_and_takes_nothing_from_the_stable_variant(
    client: TestClient, predictors: Any, dead_url: str
) -> None:
    predictors.split("sentiment", EXPERIMENT, dead_url)
    assert [variant(sentiment(client, CANARY)) for _ in range(8)] == ["stable"] * 8
    assert calls(client, "v4") == {"refused": 5, "skipped": 3}
    assert calls(client, "stable") == {"ok": 8}
    assert 'mediareview_api_circuit_open{model="sentiment"} 0.0' in client.get("/metrics").text


def test_a_canary_that_does_not_run_is_not_waited_for(client: TestClient, predictors: Any) -> None:
    predictors.split("sentiment", EXPERIMENT, None)
    assert variant(sentiment(client, CANARY)) == "stable"
    assert predictors.asked() == ["sentiment"]
    assert calls(client, "v4") == {"skipped": 1}


def test_when_both_fail_the_answer_is_the_problem_of_the_stable_variant(client: TestClient, predictors: Any) -> None:
    predictors.split("sentiment", EXPERIMENT)
    predictors.answers["sentiment/canary"] = predictors.answers["sentiment"] = JSONResponse({}, 500)
    assert sentiment(client, CANARY).status_code == 502


def test_an_answer_that_is_under_way_when_the_canary_is_promoted_comes_from_the_new_stable_variant(
    client: TestClient, predictors: Any
) -> None:
    predictors.split("sentiment", EXPERIMENT)
    find, seen = predictors.find, []

    def promoted_after_the_choice(model: str) -> Any:
        seen.append(model)
        if len(seen) == 2:
            predictors.at("sentiment", predictors.url)
        return find(model)

    predictors.find = promoted_after_the_choice
    assert variant(sentiment(client, CANARY)) == "stable"
    assert predictors.asked() == ["sentiment"]
