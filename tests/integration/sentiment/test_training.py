"""A run of the real steps: what it leaves, how it compares, and that it can be interrupted."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from components.sentiment import evaluate, train
from components.sentiment.config import Config
from components.sentiment.score import score_file
from mediareview.artifact import load_manifest
from mediareview.errors import MediaReviewError
from serving.scorers.text import TextClassifier

pytestmark = pytest.mark.integration


def test_the_candidate_beats_every_baseline_on_the_same_texts(trained):
    scores = {score.name: score for score in trained.evaluation.scores}
    assert set(scores) == {"candidate", "tfidf-logistic", "tfidf-logistic-balanced", "vader-lexicon"}
    best = max(score.value("macro_f1") for name, score in scores.items() if name != "candidate")
    assert scores["candidate"].value("macro_f1") > best
    assert scores["candidate"].value("neutral_f1") > scores["tfidf-logistic"].value("neutral_f1")
    rows = {metric.rows for score in scores.values() for metric in score.metrics if not metric.slice}
    assert len(rows) == 1


def test_the_artifact_says_what_it_is_made_of(trained):
    manifest = load_manifest(trained.models / "candidate", verify=True)
    assert manifest.variety in ("encoder", "encoder-int8")
    assert set(manifest.files) == {"model.onnx", "model.npz", "tokenizer.json"}
    assert manifest.card.rows["train vader-movie"] == Config.profile("quick").max_train_texts
    assert manifest.card.lake_versions.keys() == {"reviews"}


def test_a_champion_is_scored_on_the_same_test_texts(trained, tmp_path):
    champion = trained.models / "baselines" / "tfidf-logistic"
    scores = evaluate.evaluate(trained.prepared, trained.models, champion, Config.profile("quick"), tmp_path)
    (as_champion,) = scores.by_role("champion")
    as_baseline = next(score for score in scores.scores if score.name == "tfidf-logistic")
    assert as_champion.metrics == as_baseline.metrics
    assert json.loads((tmp_path / "evaluation.json").read_text())["primary_metric"] == "macro_f1"


def test_foreign_reviews_with_two_labels_or_with_stars_are_scored(trained, tmp_path):
    texts = ["A wonderful film.", "I loved it, superb.", "A dull mess.", "Terrible, a waste of time."] * 5
    rows = pd.DataFrame({"review": [f"{text} {n}" for n, text in enumerate(texts)]})
    rows.assign(sentiment=["positive", "positive", "negative", "negative"] * 5).to_csv(tmp_path / "imdb.csv")
    rows.assign(stars=[5, 4, 1, 2] * 5).to_json(tmp_path / "stars.jsonl", orient="records", lines=True)
    champion = trained.models / "candidate"
    for file in ("imdb.csv", "stars.jsonl"):
        found = {metric.name: metric for metric in score_file(champion, tmp_path / file)}
        assert found["accuracy"].value > 0.8
        assert found["auc"].rows == 20
        assert "neutral_f1" not in found


def test_a_file_without_labels_is_refused(trained, tmp_path):
    (tmp_path / "texts.csv").write_text("review\nA wonderful film.\n")
    with pytest.raises(MediaReviewError, match="neither sentiments nor ratings"):
        score_file(trained.models / "candidate", tmp_path / "texts.csv")


TRAIN = """
import sys
from pathlib import Path
from components.sentiment import train
from components.sentiment.config import Config
prepared, models, checkpoints, config = sys.argv[1:]
train.train(Path(prepared), Config.model_validate_json(config), Path(models), Path(checkpoints))
"""


def test_a_training_killed_at_any_moment_ends_with_the_same_model(trained, tmp_path):
    config = Config.profile("quick")
    config.encoder = config.encoder.model_copy(update={"epochs": 3, "frozen_layers": 5, "max_tokens": 16})
    texts = pd.read_parquet(trained.prepared / "texts.parquet")
    few = pd.concat([texts[texts["part"] == "train"].iloc[:400], texts[texts["part"] == "validation"].iloc[:200]])
    for place in ("prepared", "straight", "killed", "checkpoints"):
        (tmp_path / place).mkdir()
    few.to_parquet(tmp_path / "prepared" / "texts.parquet")
    (tmp_path / "prepared" / "pins.json").write_text("{}")
    train.train(tmp_path / "prepared", config, tmp_path / "straight", tmp_path / "checkpoints" / "straight")

    places = [str(tmp_path / place) for place in ("prepared", "killed", "checkpoints/killed")]
    command = [sys.executable, "-c", TRAIN, *places, config.model_dump_json()]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    checkpoint = tmp_path / "checkpoints" / "killed" / "encoder" / "last.ckpt"
    while not checkpoint.is_file():
        assert process.poll() is None, "the training ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "candidate").exists()

    again = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True)
    assert "epoch 1," not in again.stderr
    assert "epoch 3," in again.stderr
    straight, resumed = (TextClassifier.load(tmp_path / place / "candidate") for place in ("straight", "killed"))
    sample = few["text"].tolist()[:50]
    np.testing.assert_array_equal(resumed.probabilities(sample), straight.probabilities(sample))
