"""A moderation model of the quick profile, trained on the demo data by the real steps."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from components.moderation import evaluate, load, train
from components.moderation.config import Config
from mediareview.evaluation import Evaluation
from mediareview.lake import Lake
from serving.scorers.text import TextClassifier


@dataclass
class Trained:
    """What a run left, and its candidate."""

    prepared: Path
    models: Path
    evaluation: Evaluation
    model: TextClassifier


@pytest.fixture(scope="session")
def trained(labelled_texts: Lake, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    root = tmp_path_factory.mktemp("moderation")
    config = Config.profile("quick")
    for step in ("data", "prepared", "models", "checkpoints", "evaluation"):
        (root / step).mkdir()
    load.load(labelled_texts, labelled_texts.pin(["moderation", "reviews"]), config, root / "data")
    load.preprocess(root / "data", config, root / "prepared")
    train.train(root / "prepared", config, root / "models", root / "checkpoints")
    scores = evaluate.evaluate(root / "prepared", root / "models", None, config, root / "evaluation")
    model = TextClassifier.load(root / "models" / "candidate", threads=2)
    return Trained(root / "prepared", root / "models", scores, model)
