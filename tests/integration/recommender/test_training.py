"""The steps from lake to evaluation, and the scoring of foreign files."""

import json

import numpy as np
import pyarrow as pa
import pytest

from components.recommender.evaluate import evaluate
from components.recommender.score import score_file
from mediareview.artifact import load_manifest
from mediareview.contracts import CONTRACTS, arrow_schema
from mediareview.lake import Lake
from serving.scorers.recommender import Recommender

pytestmark = pytest.mark.integration


def values(metrics, name="ndcg@10"):
    return {metric.slice: metric.value for metric in metrics if metric.name == name}


def test_every_model_is_scored_on_both_splits(trained):
    evaluation = trained.evaluation
    assert {score.name: score.role for score in evaluation.scores} == {
        "candidate": "candidate",
        "popularity": "baseline",
        "ease": "baseline",
        "ials": "baseline",
    }
    for score in evaluation.scores:
        assert 0 < score.value("ndcg@10") < 1
        assert 0 < score.value("ndcg@10", "temporal") < 1
    assert evaluation.candidate.value("ndcg@10") > next(
        score.value("ndcg@10") for score in evaluation.scores if score.name == "popularity"
    )


def test_content_finds_titles_without_ratings_better_than_chance(trained):
    evaluation = trained.evaluation
    (label,) = [m.slice for m in evaluation.by_role("baseline")[0].metrics if m.slice.startswith("cold items")][:1]
    chance = evaluation.by_role("baseline")[0].value("recall@10", label)
    assert evaluation.candidate.value("recall@10", label) >= chance


def test_what_was_scored_never_saw_a_test_row(trained):
    served = load_manifest(trained.models / "candidate", verify=True)
    scored = load_manifest(trained.models / "evaluation" / "random" / "candidate", verify=True)
    rows = served.card.rows
    assert scored.card.rows["ratings"] == rows["random train"] + rows["random validation"]
    assert rows["ratings"] == scored.card.rows["ratings"] + rows["random test"]
    assert scored.settings["recipe"] == served.settings["recipe"]


def test_a_champion_with_the_same_recipe_and_data_ties_with_the_candidate(trained, tmp_path):
    evaluation = evaluate(trained.prepared, trained.models, trained.models / "candidate", trained.config, tmp_path)
    (champion,) = evaluation.by_role("champion")
    assert champion.value("ndcg@10") == evaluation.candidate.value("ndcg@10")


def test_a_champion_trained_on_older_data_is_trained_again_without_the_newer_rows(trained, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    for path in (trained.models / "candidate").iterdir():
        (old / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((old / "model.json").read_text())
    manifest["settings"]["trained_until"] -= 9 * 86_400
    (old / "model.json").write_text(json.dumps(manifest))
    evaluation = evaluate(trained.prepared, trained.models, old, trained.config, tmp_path)
    (champion,) = evaluation.by_role("champion")
    assert champion.value("ndcg@10") != evaluation.candidate.value("ndcg@10")


def test_the_same_data_and_configuration_give_the_same_model(trained, lake, tmp_path):
    from components.recommender import train

    train.train(trained.prepared, trained.config, tmp_path / "models", tmp_path / "checkpoints")
    again = Recommender.load(tmp_path / "models" / "candidate")
    first = Recommender.load(trained.models / "candidate")
    history = [["Sci-Fi-1", "Romance-2"]]
    np.testing.assert_allclose(again.scores(history), first.scores(history), rtol=1e-4, atol=1e-4)


def write_csv(path, rows):
    columns = {"userId": "user_id", "movieId": "media_id", "rating": "rating"}
    frame = rows.rename(columns={own: theirs for theirs, own in columns.items()})
    frame["timestamp"] = rows["rated_at"].astype("int64") // 10**9
    frame[[*columns, "timestamp"]].to_csv(path, index=False)


def test_a_file_with_known_titles_is_ranked_by_the_champion_as_it_is(trained, world, tmp_path):
    write_csv(tmp_path / "ratings.csv", world.ratings(users=40, seed=7))
    metrics = score_file(trained.models / "candidate", tmp_path / "ratings.csv")
    (label,) = values(metrics)
    assert "as served" in label
    assert 0.1 < values(metrics)[label] < 1


def test_a_file_with_unknown_titles_is_ranked_by_a_model_of_the_kind_beside_the_baselines(trained, world, tmp_path):
    rows = world.ratings(users=60, seed=8)
    rows["media_id"] = "other-" + rows["media_id"]
    write_csv(tmp_path / "ratings.csv", rows)
    found = values(score_file(trained.models / "candidate", tmp_path / "ratings.csv"))
    assert list(found) == [
        f"{name}, tuned and trained on the file" for name in ("champion's kind (hybrid)", "popularity", "ease", "ials")
    ]
    scores = list(found.values())
    assert scores[0] > scores[1]


def test_a_few_hundred_ratings_without_any_metadata_are_enough(world, trained, tmp_path):
    rows = world.ratings(users=20, seed=9)
    rows.loc[len(rows)] = ["user-alone", "Sci-Fi-1", 5.0, rows["rated_at"].max(), "world"]
    small = Lake((tmp_path / "lake").as_uri())
    small.replace(
        "ratings", pa.Table.from_pandas(rows, schema=arrow_schema(CONTRACTS["ratings"]), preserve_index=False)
    )
    small.replace("catalogue", pa.table({"media_id": pa.array([], pa.string()), "title": pa.array([], pa.string())}))
    run = type(trained)(tmp_path / "run", small)
    assert 0 <= run.evaluation.candidate.value("ndcg@10") <= 1
