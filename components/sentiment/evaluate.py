"""Score candidate, baselines and champion on the same test texts, through the scorer that serves them."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.sentiment.config import LABELS, Config
from components.sentiment.lexicon import lexicon_labels, lexicon_scores
from components.sentiment.load import TEXTS
from components.sentiment.train import BASELINES
from components.statistics import expected_calibration_error
from components.statistics.classification import auc_one_versus_rest, f1_per_class
from components.texts.metrics import measured
from mediareview.console import step
from mediareview.evaluation import Evaluation, Metric, ModelScore
from serving.scorers.text import TextClassifier

PRIMARY = "macro_f1"
LENGTHS = {"up to 10 words": (0, 10), "11 to 25 words": (11, 25), "over 25 words": (26, 10**9)}


def evaluate(
    prepared_dir: Path, models_dir: Path, champion_dir: Path | None, config: Config, out_dir: Path
) -> Evaluation:
    """Score every model on the test texts of the benchmark source (metrics without slice) and on slices.

    Args:
        prepared_dir: what ``preprocess`` wrote.
        models_dir: what ``train`` wrote.
        champion_dir: artifact of the champion, if there is one.
        config: seed and sample sizes.
        out_dir: for ``evaluation.json``.
    """
    texts = pd.read_parquet(prepared_dir / TEXTS)
    test = texts[texts["part"] == "test"].reset_index(drop=True)
    directories = {"candidate": models_dir / "candidate"}
    directories |= {name: models_dir / "baselines" / name for name in BASELINES}
    if champion_dir is not None:
        directories["champion"] = champion_dir
    scores = []
    for name, directory in directories.items():
        with step(f"Scoring {name}"):
            model = TextClassifier.load(directory, threads=config.threads)
            probabilities = model.probabilities(test["text"].tolist())
            role = name if name in ("candidate", "champion") else "baseline"
            metrics = score(test, probabilities.argmax(1), probabilities, config)
            scores.append(
                ModelScore.model_validate({"name": name, "role": role, "metrics": metrics, "artifact": str(directory)})
            )
    compound = lexicon_scores(test["text"].tolist())
    scores.append(
        ModelScore(
            name="vader-lexicon",
            role="baseline",
            metrics=score(test, lexicon_labels(compound), None, config),
        )
    )
    source = next(iter(test.loc[test["benchmark"], "source"].unique()))
    evaluation = Evaluation(
        model="sentiment",
        primary_metric=PRIMARY,
        split=(
            f"random {1 - config.test_share:.0%}/{config.test_share:.0%} by a hash of text and seed, no text in both; "
            f"headline: {int(test['benchmark'].sum())} test texts of {source}"
        ),
        seed=config.seed,
        scores=scores,
    )
    (out_dir / "evaluation.json").write_text(evaluation.model_dump_json(indent=2))
    return evaluation


def score(
    texts: pd.DataFrame, predicted: NDArray[np.intp], probabilities: NDArray[np.floating] | None, config: Config
) -> list[Metric]:
    """Return the headline metrics with intervals, and macro-F1 on slices by length and source.

    Args:
        texts: columns ``normalised``, ``label``, ``source`` and ``benchmark``.
        predicted: position of the predicted label, shape [texts].
        probabilities: shape [texts, labels]; None for a model that has none.
        config: seed and repetitions of the intervals.
    """
    truth = texts["label"].to_numpy()
    benchmark = np.flatnonzero(texts["benchmark"].to_numpy())

    def macro_f1(rows: NDArray[np.intp]) -> float:
        # A class that a slice does not have cannot be found in it.
        present = np.bincount(truth[rows], minlength=len(LABELS)) > 0
        return float(f1_per_class(truth[rows], predicted[rows], len(LABELS))[present].mean())

    def class_f1(label: int, rows: NDArray[np.intp]) -> float:
        return float(f1_per_class(truth[rows], predicted[rows], len(LABELS))[label])

    metrics = [measured(PRIMARY, macro_f1, benchmark, config.seed, config.bootstrap_repetitions)]
    for label, name in enumerate(LABELS):
        metrics.append(
            measured(
                f"{name}_f1",
                lambda rows, label=label: class_f1(label, rows),  # type: ignore[misc]
                benchmark,
                config.seed,
                config.bootstrap_repetitions,
            )
        )
    metrics.append(
        measured(
            "accuracy",
            lambda rows: float((truth[rows] == predicted[rows]).mean()),
            benchmark,
            config.seed,
            config.bootstrap_repetitions,
        )
    )
    if probabilities is not None:
        metrics += _of_probabilities(truth, probabilities, benchmark, config)
    words = texts["normalised"].str.split().str.len().to_numpy()
    for slice_, (low, high) in LENGTHS.items():
        rows = benchmark[(words[benchmark] >= low) & (words[benchmark] <= high)]
        metrics.append(measured(PRIMARY, macro_f1, rows, config.seed, 0, slice_))
    sources = texts["source"].to_numpy()
    for source in sorted(set(sources)) if len(set(sources)) > 1 else ():
        rows = np.flatnonzero(sources == source)
        metrics.append(measured(PRIMARY, macro_f1, rows, config.seed, 0, f"source {source}"))
    return metrics


def _of_probabilities(
    truth: NDArray[np.intp], probabilities: NDArray[np.floating], rows: NDArray[np.intp], config: Config
) -> list[Metric]:
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == truth
    return [
        # No interval: resampling adds gaps between confidence and accuracy, so that it would not hold the value.
        measured("ece", lambda chosen: expected_calibration_error(confidence[chosen], correct[chosen]), rows, 0, 0),
        measured(
            "auc",
            lambda chosen: auc_one_versus_rest(truth[chosen], probabilities[chosen]),
            rows,
            config.seed,
            config.bootstrap_repetitions,
        ),
    ]
