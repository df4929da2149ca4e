"""Write the artifact of a text model."""

import shutil
from pathlib import Path

from mediareview.artifact import Manifest, ModelCard, save_manifest
from serving.scorers.linear import LinearText
from serving.scorers.text import ENCODER_FILE, LINEAR_FILE, TextSettings


def save_text_model(
    directory: Path,
    name: str,
    variety: str,
    settings: TextSettings,
    card: ModelCard,
    *,
    encoder: Path | None = None,
    linear: LinearText | None = None,
) -> None:
    """Write an artifact, replacing what is there.

    Args:
        directory: of the artifact.
        name: ``sentiment`` or ``moderation``.
        variety: ``encoder``, ``encoder-int8`` or ``tfidf-logistic``.
        settings: what the scorer needs besides weights.
        card: what is known before the evaluation.
        encoder: directory with ``model.onnx`` and ``tokenizer.json``, if the model has an encoder.
        linear: the linear part, if it has one.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    if encoder is not None:
        for file in (ENCODER_FILE, "tokenizer.json"):
            shutil.copyfile(encoder / file, directory / file)
    if linear is not None:
        linear.save(directory / LINEAR_FILE)
    save_manifest(directory, Manifest(name=name, variety=variety, settings=settings.model_dump(mode="json"), card=card))
