"""Train the candidate (encoder and words together, calibrated) and the baselines."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.encoder.config import ENCODER
from components.linear import fit_linear
from components.sentiment.config import LABELS, Config
from components.sentiment.load import TEXTS
from components.texts.artifact import save_text_model
from components.texts.calibration import Calibration, calibrate_exclusive
from mediareview.artifact import ModelCard
from mediareview.console import console, step
from mediareview.text import NormaliserSettings
from serving.scorers.linear import LinearText
from serving.scorers.text import TextSettings

if TYPE_CHECKING:
    from components.encoder.network import TextEncoder

BASELINES = {"tfidf-logistic": False, "tfidf-logistic-balanced": True}
"""Name of a baseline to whether its classes weigh the same."""

LIMITS = [
    "English only.",
    "Trained on single sentences; of a text above 128 tokens the encoder reads the beginning and the end.",
    "Neutral is what 20 raters placed near zero on average: mixed feelings and plain facts look alike, and its F1 lies "
    "far below that of the other labels.",
    "Sarcasm is often read literally.",
]


def train(prepared_dir: Path, config: Config, out_dir: Path, checkpoint_dir: Path) -> None:
    """Write ``candidate`` and ``baselines/NAME``, artifacts that can be served.

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
    fitting, validation = texts[texts["part"] == "train"], texts[texts["part"] == "validation"]
    with step("Training TF-IDF with logistic regression"):
        # At their best: on the benchmark's own texts, validation included, for they are not calibrated.
        _train_baselines(pd.concat([fitting[fitting["benchmark"]], validation]), pins, out_dir / "baselines")
        linear = _linear(fitting, balanced=True)
    with step("Fine-tuning the encoder"):
        network = fine_tune_encoder(prepared_dir, config, checkpoint_dir)
    with step("Exporting, calibrating"):
        from components.encoder.export import export, smaller_if_as_good

        work_dir = out_dir / ".work"
        normalised, labels = validation["normalised"].tolist(), validation["label"].to_numpy()
        versions = export(network, normalised, config.encoder.max_tokens, config.threads, work_dir)
        linear_logits = linear.logits(normalised)
        calibrations = {
            version: calibrate_exclusive({"encoder": logits, "linear": linear_logits}, labels, config.seed)
            for version, logits in versions.items()
        }
        chosen = smaller_if_as_good({version: fit.macro_f1 for version, fit in calibrations.items()})
        for version, fit in calibrations.items():
            console.print(f"  {version}: macro-F1 {fit.macro_f1:.4f} on validation, preference {fit.shift:.1f}")
        save_text_model(
            out_dir / "candidate",
            "sentiment",
            chosen,
            _settings(config, calibrations[chosen]),
            _card(fitting, validation, pins, _summary(chosen, calibrations[chosen])),
            encoder=work_dir / chosen,
            linear=linear,
        )
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
    labels = texts["label"].to_numpy()
    return fine_tune(
        texts["normalised"].tolist(),
        labels,
        len(LABELS),
        config.encoder,
        config.seed,
        config.threads,
        checkpoint_dir / ENCODER,
        class_weights(labels, config.class_weight_power),
    )


def _linear(texts: pd.DataFrame, *, balanced: bool) -> LinearText:
    return fit_linear(
        texts["normalised"].tolist(), texts["label"].to_numpy(), multilabel=False, balanced=balanced, seed=0
    )


def _train_baselines(texts: pd.DataFrame, pins: dict[str, int], directory: Path) -> None:
    settings = TextSettings(labels=list(LABELS))
    for name, balanced in BASELINES.items():
        card = _card(texts, texts.iloc[:0], pins, f"Sentiment by TF-IDF and logistic regression ({name}).")
        linear = _linear(texts, balanced=balanced)
        save_text_model(directory / name, "sentiment", "tfidf-logistic", settings, card, linear=linear)


def class_weights(labels: NDArray[np.integer], power: float) -> NDArray[np.float64]:
    """Return inverse class frequencies to a power, shape [classes]; 1 where a class is as frequent as the average."""
    counts = np.bincount(labels, minlength=len(LABELS))
    return np.asarray((counts.sum() / len(LABELS) / np.maximum(counts, 1)) ** power, dtype=np.float64)


def _settings(config: Config, fit: Calibration) -> TextSettings:
    return TextSettings(
        labels=list(LABELS),
        normaliser=NormaliserSettings(),
        max_tokens=config.encoder.max_tokens,
        weights=fit.weights,
        bias=fit.bias,
    )


def _summary(version: str, fit: Calibration) -> str:
    return (
        f"Sentiment of reviews in three classes: a MiniLM encoder fine-tuned in Lightning ({version}) and words in a "
        f"TF-IDF logistic regression, combined and calibrated by matrix scaling on validation texts. Rare classes are "
        f"preferred (logit adjustment {fit.shift:.1f}), which costs a little calibration for macro-F1."
    )


def _card(fitting: pd.DataFrame, validation: pd.DataFrame, pins: dict[str, int], summary: str) -> ModelCard:
    sources = {f"train {source}": int(count) for source, count in fitting["source"].value_counts().items()}
    return ModelCard(
        summary=summary,
        lake_versions=pins,
        rows={**sources, "validation": len(validation)},
        labels="Human: the mean rating of 20 people from -4 to 4, cut at -1 and 1 (VADER ground truth); stars or "
        "labels of the source elsewhere.",
        limits=LIMITS,
    )
