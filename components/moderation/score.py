"""Score a champion on a foreign file of moderation labels."""

from pathlib import Path
from typing import Any

import pandas as pd

from components.moderation.config import Config
from components.moderation.evaluate import score
from components.texts.foreign import read_file
from mediareview.console import step
from mediareview.contracts.moderation import CATEGORIES
from mediareview.errors import MediaReviewError
from mediareview.evaluation import Metric
from serving.scorers.text import TextClassifier


def score_file(champion_dir: Path, data: Path, **reading: Any) -> list[Metric]:
    """Score a champion on texts with verdicts for one category or several.

    Args:
        champion_dir: artifact of the champion.
        data: labels in any format that ``ingest moderation`` reads.
        **reading: ``format``, and the fields of ``ReadOptions``.

    Returns:
        AUC, F1, precision and recall at the model's own thresholds, with intervals, for each category that the file
        judges; of a category whose verdicts are all alike, what can be computed.

    Raises:
        MediaReviewError: the file cannot be read or judges no category.
    """
    labels = read_file(data, "moderation", **reading)
    labels[list(CATEGORIES)] = labels[list(CATEGORIES)].astype(float)
    judged = [category for category in CATEGORIES if labels[category].notna().any()]
    if not judged:
        raise MediaReviewError(
            f"{data} judges no category.",
            f"Name the column: --map COLUMN=abusive, or another of {', '.join(CATEGORIES)}.",
        )
    with step(f"Scoring {len(labels):,} texts"):
        model = TextClassifier.load(champion_dir)
        probabilities = model.probabilities(labels["text"].tolist())
    return score(pd.DataFrame(labels), probabilities, model.settings.thresholds, judged, Config())
