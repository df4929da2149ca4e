"""Score a champion on a foreign file of labelled reviews."""

from pathlib import Path
from typing import Any

import pandas as pd

from components.sentiment.config import LABELS, Config
from components.sentiment.evaluate import score
from components.texts.foreign import read_file
from mediareview.console import step
from mediareview.errors import MediaReviewError
from mediareview.evaluation import Metric
from serving.scorers.text import TextClassifier


def score_file(champion_dir: Path, data: Path, **reading: Any) -> list[Metric]:
    """Score a champion on reviews with labels, or with stars (up to 2.5 negative, above 3.5 positive, else neutral).

    Args:
        champion_dir: artifact of the champion.
        data: reviews in any format that ``ingest reviews`` reads.
        **reading: ``format``, and the fields of ``ReadOptions``.

    Returns:
        Macro-F1 over the labels that the file has, F1 per label, accuracy, calibration error and AUC, with intervals.

    Raises:
        MediaReviewError: the file cannot be read or holds no label.
    """
    reviews = read_file(data, "reviews", **reading)
    reviews = reviews[reviews["sentiment"].notna()].reset_index(drop=True)
    if not len(reviews):
        raise MediaReviewError(
            f"{data} has neither sentiments nor ratings to compare with.", "Name the column: --map COLUMN=sentiment"
        )
    texts = pd.DataFrame(
        {
            "normalised": reviews["text"],
            "label": reviews["sentiment"].map({label: number for number, label in enumerate(LABELS)}).astype(int),
            "source": reviews["source"],
            "benchmark": True,
        }
    )
    with step(f"Scoring {len(texts):,} reviews"):
        model = TextClassifier.load(champion_dir)
        probabilities = model.probabilities(reviews["text"].tolist())
    metrics = score(texts, probabilities.argmax(1), probabilities, Config())
    # F1 of a label that the file does not have, and AUC where it has one label only, say nothing.
    absent = {f"{label}_f1" for number, label in enumerate(LABELS) if number not in set(texts["label"])}
    return [metric for metric in metrics if metric.name not in absent and metric.value == metric.value]
