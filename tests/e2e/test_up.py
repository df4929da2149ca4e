"""The whole platform on a small sample: data, features, three pipelines, serving, every endpoint; then the commands."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., str]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]


def test_up_reaches_three_answering_endpoints(checked: str) -> None:
    assert "Everything answered as it should." in checked
    assert "FAILED" not in checked


def test_up_shows_each_model_beside_its_baselines(checked: str) -> None:
    for name in ("ease", "ials", "popularity", "tfidf-logistic", "vader-lexicon"):
        assert name in checked


def test_a_second_run_trains_nothing_again(checked: str, mediareview: Command, home: Path) -> None:
    logs = home / "runs" / "logs"
    before = sorted(logs.iterdir())
    assert "Everything answered as it should." in mediareview("up", "--check", "--sample", "--profile", "quick")
    assert sorted(logs.iterdir()) == before


def test_an_interrupted_pipeline_uses_what_was_done(checked: str, mediareview: Command) -> None:
    run = json.loads(mediareview("pipeline", "run", "train-sentiment", "--local", "--profile", "quick", "--json"))
    assert run["succeeded"]
    assert {"load", "preprocess", "train"} <= set(run["cached"])


def test_the_record_of_a_run_and_the_card_of_a_model_can_be_read(checked: str, mediareview: Command) -> None:
    status = json.loads(mediareview("pipeline", "status", "train-moderation", "--json"))
    assert status["succeeded"]
    assert status["seconds"]["train"] > 0
    manifest = json.loads(mediareview("models", "show", "moderation", "--json"))
    card = manifest["card"]
    assert card["lake_versions"].keys() == {"moderation", "reviews"}
    assert card["code_revision"]
    assert card["decision"]
    assert card["limits"]
    assert "template" in card["labels"] or "weak" in card["labels"]
    evaluation = json.loads(mediareview("models", "show", "recommender", "--json"))["card"]["evaluation"]
    slices = {metric["slice"] for score in evaluation["scores"] for metric in score["metrics"]}
    assert {"temporal", "temporal, histories from the feature store"} <= slices
    versions = json.loads(mediareview("models", "list", "--json"))
    champions = [item["name"] for item in versions if "champion" in item["aliases"]]
    assert champions == ["recommender", "sentiment", "moderation"]


def test_champions_are_scored_on_foreign_files(checked: str, mediareview: Command, tmp_path: Path) -> None:
    reviews = tmp_path / "imdb.csv"
    rows = [("a truly wonderful film with great acting", "positive"), ("boring, dull and a waste of time", "negative")]
    reviews.write_text(
        "review,sentiment\n" + "".join(f'"{text} {n}",{label}\n' for n in range(20) for text, label in rows)
    )
    scored = json.loads(mediareview("models", "evaluate", "sentiment", "--data", str(reviews), "--json"))
    metrics = {item["name"]: item["value"] for item in scored["metrics"] if not item["slice"]}
    assert metrics["accuracy"] > 0.8

    ratings = tmp_path / "ratings.csv"
    lines = [f"u{user},t{(user * 7 + step * (1 + user % 3)) % 60},{1 + (user + step) % 5},{900000000 + step}"
             for user in range(60) for step in range(20)]  # fmt: skip
    ratings.write_text("userId,movieId,rating,timestamp\n" + "\n".join(dict.fromkeys(lines)) + "\n")
    scored = json.loads(mediareview("models", "evaluate", "recommender", "--data", str(ratings), "--json"))
    assert any(item["name"] == "ndcg@10" for item in scored["metrics"])


def test_mistakes_get_one_clear_line_and_exit_code_1(checked: str, mediareview: Command, tmp_path: Path) -> None:
    for arguments, expected in (
        (("models", "evaluate", "sentiment", "--data", str(tmp_path / "missing.csv")), "does not exist"),
        (("models", "show", "sentiment", "--version", "99"), "has no version"),
        (("pipeline", "run", "train-nothing", "--local"), "no pipeline"),
        (("pipeline", "run", "train-sentiment", "--local", "--param", "epochz=3"), "epochz"),
    ):
        told = mediareview(*arguments, code=1)
        assert expected in told
        assert "Traceback" not in told
