"""Score candidate, baseline and champion on the same test texts, through the scorer that serves them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.moderation.config import Config
from components.moderation.load import FILM_REVIEWS, TEMPLATES, TEXTS, judged_categories
from components.statistics.classification import auc
from components.texts.metrics import measured
from components.texts.split import first_by_hash
from mediareview.console import step
from mediareview.contracts.moderation import CATEGORIES
from mediareview.evaluation import Evaluation, Metric, ModelScore
from mediareview.text import OBFUSCATIONS, obfuscate
from serving.scorers.text import TextClassifier, Thresholds

PRIMARY = "macro_auc"
BASELINES = ("tfidf-logistic", "tfidf-char-logistic")
VARIANT_WORDS = 80
"""Longest texts that are also scored in disguise: what people write beneath a film is shorter than most e-mails."""
GENERATED = "generated texts, templates held out"

RowMetric = Callable[[NDArray[np.intp]], float]


def evaluate(
    prepared_dir: Path, models_dir: Path, champion_dir: Path | None, config: Config, out_dir: Path
) -> Evaluation:
    """Score every model on texts that people judged (metrics without slice), and on slices.

    The slices are the same texts disguised, film reviews (which should not be flagged), texts of another domain, and
    generated texts. What nobody judged never enters a metric without a slice.

    Args:
        prepared_dir: what ``preprocess`` wrote.
        models_dir: what ``train`` wrote.
        champion_dir: artifact of the champion, if there is one.
        config: seed and sample sizes.
        out_dir: for ``evaluation.json``.
    """
    texts = pd.read_parquet(prepared_dir / TEXTS)
    judged = judged_categories(texts)
    test = texts[texts["part"] == "test"].reset_index(drop=True)
    directories = {"candidate": models_dir / "candidate"}
    directories |= {name: models_dir / "baselines" / name for name in BASELINES}
    if champion_dir is not None:
        directories["champion"] = champion_dir
    scores = []
    for name, directory in directories.items():
        with step(f"Scoring {name}"):
            model = TextClassifier.load(directory, threads=config.threads)
            rows = model.probabilities(test["text"].tolist())
            metrics = score(test, rows, model.settings.thresholds, judged, config)
            metrics += _unjudged(test, rows, model.settings.thresholds, judged)
            metrics += _disguised(model, test, rows, judged, config)
            role = name if name in ("candidate", "champion") else "baseline"
            scores.append(
                ModelScore.model_validate({"name": name, "role": role, "metrics": metrics, "artifact": str(directory)})
            )
    evaluation = Evaluation(
        model="moderation",
        primary_metric=PRIMARY,
        split=(
            f"published test part where the source has one, else random {1 - config.test_share:.0%}/"
            f"{config.test_share:.0%} by a hash of text and seed; no text in both; {PRIMARY}: mean over "
            f"{' and '.join(judged)}, which people judged"
        ),
        seed=config.seed,
        scores=scores,
    )
    (out_dir / "evaluation.json").write_text(evaluation.model_dump_json(indent=2))
    return evaluation


def score(
    texts: pd.DataFrame,
    probabilities: NDArray[np.floating],
    thresholds: dict[str, Thresholds],
    judged: list[str],
    config: Config,
) -> list[Metric]:
    """Return the metrics of the categories that people judged, with intervals.

    Args:
        texts: a column per category with 0, 1 or NaN.
        probabilities: shape [texts, categories].
        thresholds: of the model; a text is flagged from ``review`` on, or from 0.5 on if there is none.
        judged: the categories to score.
        config: seed and repetitions of the intervals.
    """
    known = {category: texts[category].notna().to_numpy() for category in judged}
    truth = {category: (texts[category] == 1).to_numpy() for category in judged}
    column = {category: probabilities[:, CATEGORIES.index(category)] for category in judged}

    def category_auc(category: str, rows: NDArray[np.intp]) -> float:
        rows = rows[known[category][rows]]
        return auc(truth[category][rows], column[category][rows])

    def macro_auc(rows: NDArray[np.intp]) -> float:
        values = np.array([category_auc(category, rows) for category in judged])
        values = values[~np.isnan(values)]
        return float(values.mean()) if len(values) else float("nan")

    everything = np.flatnonzero(np.any(list(known.values()), axis=0))
    metrics = [measured(PRIMARY, macro_auc, everything, config.seed, config.bootstrap_repetitions)]
    for category in judged:
        limits = thresholds.get(category, Thresholds())
        flagged = column[category] >= (0.5 if limits.review is None else limits.review)
        blocked = column[category] >= (np.inf if limits.block is None else limits.block)
        hit = truth[category]
        per_category: dict[str, RowMetric] = {
            f"auc_{category}": lambda rows, category=category: category_auc(category, rows),  # type: ignore[misc]
            f"f1_{category}": lambda rows, hit=hit, flagged=flagged: _f1(hit[rows], flagged[rows]),  # type: ignore[misc]
            f"review_precision_{category}": lambda rows, hit=hit, flagged=flagged: _share(hit[rows], flagged[rows]),  # type: ignore[misc]
            f"review_recall_{category}": lambda rows, hit=hit, flagged=flagged: _share(flagged[rows], hit[rows]),  # type: ignore[misc]
            f"block_precision_{category}": lambda rows, hit=hit, blocked=blocked: _share(hit[rows], blocked[rows]),  # type: ignore[misc]
            f"block_recall_{category}": lambda rows, hit=hit, blocked=blocked: _share(blocked[rows], hit[rows]),  # type: ignore[misc]
        }
        rows = np.flatnonzero(known[category])
        metrics += [
            measured(name, metric, rows, config.seed, config.bootstrap_repetitions)
            for name, metric in per_category.items()
        ]
    return [metric for metric in metrics if metric.value == metric.value]


def _f1(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> float:
    """Return the F1; NaN if there is neither anything to find nor anything found."""
    either = truth.sum() + predicted.sum()
    return float(2 * (truth & predicted).sum() / either) if either else float("nan")


def _share(counted: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    """Return how many of some rows count; NaN if there are none."""
    return float(counted[among].mean()) if among.any() else float("nan")


def _unjudged(
    texts: pd.DataFrame, probabilities: NDArray[np.floating], thresholds: dict[str, Thresholds], judged: list[str]
) -> list[Metric]:
    """Shares of texts flagged where no person judged the category, and the AUC on generated texts."""
    metrics = []
    for index, category in enumerate(CATEGORIES):
        limit = thresholds.get(category, Thresholds()).review
        flagged = probabilities[:, index] >= (np.inf if limit is None else limit)
        for source in sorted(set(texts["source"])):
            rows = (texts["source"] == source).to_numpy() & texts[category].isna().to_numpy()
            if rows.any() and source != TEMPLATES:
                slice_ = "film reviews" if source == FILM_REVIEWS else f"source {source}, nobody judged"
                share = float(flagged[rows].mean())
                metrics.append(Metric(name=f"flagged_{category}", value=share, slice=slice_, rows=int(rows.sum())))
        if category not in judged:
            rows = (texts["source"] == TEMPLATES).to_numpy()
            truth = (texts[f"weak_{category}"] == 1).to_numpy()[rows]
            for name, value in (
                (f"auc_{category}", auc(truth, probabilities[rows, index])),
                (f"f1_{category}", _f1(truth, flagged[rows])),
            ):
                metrics.append(Metric(name=name, value=value, slice=GENERATED, rows=int(rows.sum())))
    return [metric for metric in metrics if metric.value == metric.value]


def _disguised(
    model: TextClassifier, test: pd.DataFrame, plain: NDArray[np.floating], judged: list[str], config: Config
) -> list[Metric]:
    """AUC of each category on a sample of its shorter texts, as they are (``plain``) and disguised."""
    short = test[test["normalised"].str.count(" ") < VARIANT_WORDS]
    rows = np.concatenate(
        [
            group.index.to_numpy()[first_by_hash(group["normalised"].tolist(), config.max_variant_texts, config.seed)]
            for source, group in short.groupby("source")
            if source != FILM_REVIEWS
        ]
    )
    sampled = test.loc[rows]
    metrics = []
    for kind in ("", *OBFUSCATIONS, "mixed"):
        written = [obfuscate(text, kind, config.seed) for text in sampled["text"]] if kind else []
        probabilities = model.probabilities(written) if kind else plain[rows]
        for index, category in enumerate(CATEGORIES):
            by_people = category in judged
            verdicts = sampled[category] if by_people else sampled[f"weak_{category}"]
            known = (verdicts.notna() & (by_people | (sampled["source"] == TEMPLATES))).to_numpy()
            value = auc((verdicts == 1).to_numpy()[known], probabilities[known, index])
            slice_ = f"disguised: {kind}" if kind else "the same texts, not disguised"
            slice_ += "" if by_people else f" ({GENERATED})"
            metrics.append(Metric(name=f"auc_{category}", value=value, slice=slice_, rows=int(known.sum())))
    return [metric for metric in metrics if metric.value == metric.value]
