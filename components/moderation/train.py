"""Train the candidate (encoder and n-grams together, calibrated, with thresholds) and the baseline."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.encoder.config import ENCODER
from components.linear import fit_linear
from components.linear.training import WORDS
from components.moderation.config import Config
from components.moderation.load import LONG_WORDS, NORMALISER, TEXTS, judged_categories
from components.moderation.thresholds import derive
from components.statistics.classification import auc
from components.texts.artifact import save_text_model
from components.texts.calibration import Calibration, Logits, calibrate_independent
from components.texts.split import first_by_hash
from mediareview.artifact import ModelCard, save_manifest
from mediareview.console import console, step
from mediareview.contracts.moderation import CATEGORIES
from serving.scorers.linear import LinearText, Ngrams
from serving.scorers.text import TextClassifier, TextSettings, Thresholds

if TYPE_CHECKING:
    from components.encoder.network import TextEncoder

CHARACTERS = Ngrams("char", 2, 4)
LINEAR_CHARACTERS = 1000
"""What the linear models learn from a text; they read all of it when they judge."""


def train(prepared_dir: Path, config: Config, out_dir: Path, checkpoint_dir: Path) -> None:
    """Write ``candidate`` and, under ``baselines``, TF-IDF of words and of words and characters; all can be served.

    Args:
        prepared_dir: what ``preprocess`` wrote.
        config: how to train.
        out_dir: for the artifacts.
        checkpoint_dir: of the encoder; an interrupted training goes on from there.

    Raises:
        MediaReviewError: the exported encoder does not answer as the trained one does.
    """
    texts = pd.read_parquet(prepared_dir / TEXTS)
    pins = json.loads((prepared_dir / "pins.json").read_text())
    judged = judged_categories(texts)
    fitting, validation = texts[texts["part"] == "train"], texts[texts["part"] == "validation"]
    normalised, wanted = validation["normalised"].tolist(), targets(validation)
    with step("Training TF-IDF with logistic regression"):
        linear = _linear(fitting, (WORDS, CHARACTERS))
        for name, baseline in (("tfidf-logistic", _linear(fitting, (WORDS,))), ("tfidf-char-logistic", linear)):
            settings = _settings(config, calibrate_independent({"linear": baseline.logits(normalised)}, wanted))
            directory = out_dir / "baselines" / name
            units = " and ".join(f"{kind.unit} {kind.low}-{kind.high}-grams" for kind in baseline.ngrams)
            card = _card(texts, judged, pins, f"Moderation by TF-IDF of {units} and logistic regression.")
            save_text_model(directory, "moderation", "tfidf-logistic", settings, card, linear=baseline)
            set_thresholds(directory, validation, judged, config)
    with step("Fine-tuning the encoder"):
        network = fine_tune_encoder(prepared_dir, config, checkpoint_dir)
    with step("Exporting, calibrating, deriving thresholds"):
        from components.encoder.export import export, smaller_if_as_good

        work_dir = out_dir / ".work"
        versions = export(network, normalised, config.encoder.max_tokens, config.threads, work_dir)
        linear_logits = linear.logits(normalised)
        together = {name: {"encoder": encoder, "linear": linear_logits} for name, encoder in versions.items()}
        fits = {name: calibrate_independent(logits, wanted) for name, logits in together.items()}
        quality = {
            name: _macro_auc(validation, judged, probabilities(together[name], fit)) for name, fit in fits.items()
        }
        chosen = smaller_if_as_good(quality)
        for name, value in quality.items():
            console.print(f"  {name}: macro AUC {value:.4f} on validation")
        save_text_model(
            out_dir / "candidate",
            "moderation",
            chosen,
            _settings(config, fits[chosen]),
            _card(texts, judged, pins, _summary(chosen)),
            encoder=work_dir / chosen,
            linear=linear,
        )
        set_thresholds(out_dir / "candidate", validation, judged, config)
    shutil.rmtree(work_dir)
    shutil.rmtree(checkpoint_dir / ENCODER)


def fine_tune_encoder(prepared_dir: Path, config: Config, checkpoint_dir: Path) -> "TextEncoder":
    """Fine-tune the encoder: the part of ``train`` that several processes can do together.

    Args:
        prepared_dir: what ``preprocess`` wrote.
        config: how to train.
        checkpoint_dir: where the checkpoint is kept; a finished training is read from it.
    """
    from components.encoder.training import fine_tune

    texts = pd.read_parquet(prepared_dir / TEXTS)
    texts = texts[texts["part"] == "train"]
    long = texts["normalised"].str.count(" ") >= LONG_WORDS
    parts = [texts[~long]]
    for _, rows in texts[long].groupby("source"):
        parts.append(rows.iloc[first_by_hash(rows["normalised"].tolist(), config.max_long_texts, config.seed)])
    read = pd.concat(parts)
    return fine_tune(
        read["normalised"].tolist(),
        targets(read),
        len(CATEGORIES),
        config.encoder,
        config.seed,
        config.threads,
        checkpoint_dir / ENCODER,
    )


def targets(texts: pd.DataFrame) -> NDArray[np.float64]:
    """Return what is learnt, shape [texts, categories]: people's verdicts, weak ones where there are none, or NaN."""
    columns = [texts[category].fillna(texts[f"weak_{category}"]) for category in CATEGORIES]
    return np.stack([column.to_numpy(dtype=float) for column in columns], axis=1)


def probabilities(logits: Logits, fit: Calibration) -> NDArray[np.float64]:
    """Return calibrated probabilities, shape [texts, categories], as the scorer computes them."""
    combined = fit.bias + sum(part @ np.array(fit.weights[name]) for name, part in logits.items())
    return np.asarray(1 / (1 + np.exp(-combined)), dtype=np.float64)


def _macro_auc(texts: pd.DataFrame, judged: list[str], scores: NDArray[np.float64]) -> float:
    values = []
    for category in judged:
        verdicts = texts[category].to_numpy()
        known = ~np.isnan(verdicts)
        values.append(auc(verdicts[known] == 1, scores[known, CATEGORIES.index(category)]))
    return float(np.mean(values))


def _linear(texts: pd.DataFrame, ngrams: tuple[Ngrams, ...]) -> LinearText:
    return fit_linear(
        [text[:LINEAR_CHARACTERS] for text in texts["normalised"]], targets(texts), multilabel=True, ngrams=ngrams
    )


def set_thresholds(directory: Path, validation: pd.DataFrame, judged: list[str], config: Config) -> None:
    """Derive the thresholds of an artifact from the probabilities that it serves, and write them into it."""
    model = TextClassifier.load(directory, threads=config.threads)
    scores = model.probabilities(validation["text"].tolist())
    limits = {}
    for index, category in enumerate(CATEGORIES):
        by_people = category in judged
        verdicts = validation[category if by_people else f"weak_{category}"].to_numpy()
        known = ~np.isnan(verdicts)
        limits[category] = derive(
            verdicts[known] == 1,
            scores[known, index],
            review_precision=config.review_precision,
            block_precision=config.block_precision,
            by_people=by_people,
        )
    settings = model.settings.model_copy(update={"thresholds": limits})
    told = [_told(category, limits[category], category in judged) for category in CATEGORIES]
    card = model.manifest.card.model_copy(update={"limits": [*told, *model.manifest.card.limits]})
    save_manifest(
        directory, model.manifest.model_copy(update={"settings": settings.model_dump(mode="json"), "card": card})
    )


def _settings(config: Config, fit: Calibration) -> TextSettings:
    return TextSettings(
        labels=list(CATEGORIES),
        normaliser=NORMALISER,
        max_tokens=config.encoder.max_tokens,
        weights=fit.weights,
        bias=fit.bias,
        worst_passage=["abusive", "inappropriate"],
    )


def _summary(version: str) -> str:
    return (
        f"Moderation in three independent categories: a MiniLM encoder fine-tuned in Lightning ({version}) and a "
        f"logistic regression over words and characters, combined per category on validation texts (Platt scaling)."
    )


def _card(texts: pd.DataFrame, judged: list[str], pins: dict[str, int], summary: str) -> ModelCard:
    unjudged = [category for category in CATEGORIES if category not in judged]
    labels = f"Human for {' and '.join(judged)}."
    if unjudged:
        labels += (
            f" Weak for {' and '.join(unjudged)}: nobody judged it; it is learnt from texts generated from templates "
            f"(components/moderation/templates.py) and is evaluated on templates held out, apart from all else."
        )
    labels += (
        " Weak in training only: film reviews break no rule, e-mails are not abusive, comments are no spam, and what "
        "is neither spam nor abusive is not inappropriate."
    )
    return ModelCard(
        summary=summary,
        lake_versions=pins,
        rows={
            str(group): int(count)
            for group, count in (texts["part"] + " " + texts["source"]).value_counts().sort_index().items()
        },
        labels=labels,
        limits=[
            "English only. Spam is learnt from e-mails of 2002 and abuse from comments of 2012; new ways of speaking "
            "are missed, and a precision holds for texts like those.",
            "Of a text above 128 tokens the encoder reads the beginning and the end, the n-grams read all; in addition "
            "of its passages of 80 words, up to 8 KiB, the two most suspicious ones are judged for abuse.",
            "An insult quoted or reported may be taken for one. A moderator decides in doubt, and appeals are open.",
        ],
    )


def _told(category: str, limits: Thresholds, by_people: bool) -> str:
    if not by_people:
        return (
            f"{category}: without people's labels no precision can be promised, so it never blocks; review from a "
            f"probability of {limits.review:.2f} on."
        )
    block = "never, as the target precision is not reached on validation"
    if limits.block is not None:
        block = f"from {limits.block:.2f} on"
    return f"{category}: review from a probability of {limits.review:.2f} on, block {block}."
