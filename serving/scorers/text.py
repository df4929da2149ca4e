"""Judges texts: sentiment and moderation, by an encoder, by a linear model, or by both together."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from mediareview.artifact import Manifest, load_manifest
from mediareview.contracts.prediction import ModerationPrediction, SentimentPrediction
from mediareview.errors import MediaReviewError
from mediareview.settings import get_settings
from mediareview.text import Normaliser, NormaliserSettings
from serving.scorers.encoder import OnnxEncoder
from serving.scorers.linear import LinearText

ENCODER_FILE, LINEAR_FILE = "model.onnx", "model.npz"
SHOWN_WORDS = 3
LONG_WORDS = 120
"""Texts above it are looked at in passages, too; below it, the encoder reads the whole at once."""
PASSAGE_WORDS, PASSAGE_STEP, MAX_PASSAGES = 80, 60, 24
"""Length and distance of the passages of a long text, in words, and how many are looked at: 8 KiB of English."""
READ_PASSAGES = 2
"""How many of them the encoder reads: those that the linear part finds the most suspicious."""


class Thresholds(BaseModel):
    """From which probability on a text is held back for one category; None means never."""

    review: float | None = None
    block: float | None = None


class TextSettings(BaseModel):
    """The settings in the manifest of a text model."""

    model_config = ConfigDict(extra="forbid")

    labels: list[str]
    """In the order of every score vector."""
    normaliser: NormaliserSettings = NormaliserSettings()
    max_tokens: int = 128
    weights: dict[str, list[list[float]]] = Field(default_factory=dict)
    """Part (``encoder``, ``linear``) to a matrix, shape [labels, labels]; absent means the identity.

    The calibrated logits are ``bias`` plus the sum over the parts of logits times matrix (matrix scaling: Guo et al.,
    On Calibration of Modern Neural Networks, 2017).
    """
    bias: list[float] = Field(default_factory=list)
    """Shape [labels]; empty means zeros."""
    worst_passage: list[str] = Field(default_factory=list)
    """Labels for which the most suspicious passage of a long text counts as much as the text as a whole: one insult
    between hundreds of harmless words is an insult."""
    thresholds: dict[str, Thresholds] = Field(default_factory=dict)
    """Moderation category to thresholds."""


class TextClassifier:
    """The scorer of every sentiment and moderation artifact, baselines included.

    Sentiment classes exclude each other and their probabilities sum to 1; moderation categories are independent. Of
    long texts the encoder reads the beginning and the end (see ``OnnxEncoder``), the linear part reads everything. A
    text that is empty once normalised is neutral and breaks no rule.

    Args:
        manifest: its settings are ``TextSettings``.
        parts: ``encoder`` and ``linear``, whichever the artifact has.
    """

    def __init__(self, manifest: Manifest, parts: dict[str, OnnxEncoder | LinearText]) -> None:
        self.manifest = manifest
        self.settings = TextSettings.model_validate(manifest.settings)
        self.exclusive = manifest.name == "sentiment"
        self._parts = parts
        self._normalise = Normaliser(self.settings.normaliser)
        self._plain = Normaliser(self.settings.normaliser.model_copy(update={"deobfuscate": False}))
        size = len(self.settings.labels)
        self._weights = {name: _matrix(self.settings.weights.get(name), size) for name in parts}
        self._bias = np.array(self.settings.bias or [0.0] * size, dtype=np.float32)

    @classmethod
    def load(cls, directory: Path, threads: int | None = None) -> "TextClassifier":
        """Load an artifact.

        Args:
            directory: holds ``model.json`` and ``model.onnx`` with ``tokenizer.json``, or ``model.npz``, or all.
            threads: CPU threads of a call; None means ``MEDIAREVIEW_THREADS``.

        Raises:
            MediaReviewError: the directory holds no text model.
        """
        manifest = load_manifest(directory)
        settings = TextSettings.model_validate(manifest.settings)
        parts: dict[str, OnnxEncoder | LinearText] = {}
        if (directory / ENCODER_FILE).is_file():
            parts["encoder"] = OnnxEncoder(directory, settings.max_tokens, threads or get_settings().threads)
        if (directory / LINEAR_FILE).is_file():
            parts["linear"] = LinearText.load(directory / LINEAR_FILE)
        if not parts:
            raise MediaReviewError(
                f"{directory} holds neither {ENCODER_FILE} nor {LINEAR_FILE}.", "Train the model again."
            )
        return cls(manifest, parts)

    def logits(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return each part's own logits of texts as people wrote them, shape [texts, labels], before calibration."""
        normalised = [self._normalise(text) for text in texts]
        return {name: part.logits(normalised) for name, part in self._parts.items()}

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return calibrated probabilities of texts as people wrote them, shape [texts, labels], 0 to 1."""
        return self._probabilities([self._normalise(text) for text in texts])

    def predictions(self, texts: Sequence[str]) -> list[SentimentPrediction] | list[ModerationPrediction]:
        """Return what the texts are judged to be, with probabilities and, in moderation, the evidence."""
        normalised = [self._normalise(text) for text in texts]
        rows = self._probabilities(normalised)
        if self.exclusive:
            return [self._sentiment(row) for row in rows]
        return [self._moderation(*judged) for judged in zip(texts, normalised, rows, strict=True)]

    def _probabilities(self, normalised: list[str]) -> NDArray[np.float32]:
        rows = np.zeros((len(normalised), len(self.settings.labels)), dtype=np.float32)
        if self.exclusive:
            rows[:, self.settings.labels.index("neutral")] = 1
        worded = [row for row, text in enumerate(normalised) if text]
        if not worded:
            return rows
        texts = [normalised[row] for row in worded]
        logits = self._calibrated(texts)
        if self.exclusive:
            rows[worded] = _softmax(logits)
            return rows
        watched = [self.settings.labels.index(label) for label in self.settings.worst_passage]
        found = [(row, passage) for row, text in enumerate(texts) for passage in self._suspicious(text, watched)]
        if found:
            owners, suspicious = zip(*found, strict=True)
            of_passages = self._calibrated(suspicious)[:, watched]
            for owner, worst in zip(owners, of_passages, strict=True):
                logits[owner, watched] = np.maximum(logits[owner, watched], worst)
        rows[worded] = 1 / (1 + np.exp(-logits))
        return rows

    def _suspicious(self, normalised: str, watched: list[int]) -> list[str]:
        """Return the passages of a long text that are worth a second look."""
        found = passages(normalised) if watched else []
        linear = self._parts.get("linear")
        if isinstance(linear, LinearText) and len(found) > READ_PASSAGES:
            suspicion = linear.logits(found)[:, watched].max(axis=1)
            found = [found[place] for place in np.argsort(-suspicion)[:READ_PASSAGES]]
        return found

    def _calibrated(self, normalised: Sequence[str]) -> NDArray[np.float32]:
        combined = self._bias + sum(part.logits(normalised) @ self._weights[name] for name, part in self._parts.items())
        return np.asarray(combined, dtype=np.float32)

    def _sentiment(self, row: NDArray[np.float32]) -> SentimentPrediction:
        scores = dict(zip(self.settings.labels, map(float, row), strict=True))
        return SentimentPrediction.model_validate({"label": max(scores, key=scores.__getitem__), "scores": scores})

    def _moderation(self, text: str, normalised: str, row: NDArray[np.float32]) -> ModerationPrediction:
        reasons: list[str] = []
        actions = {"allow"}
        for index, (category, probability) in enumerate(zip(self.settings.labels, map(float, row), strict=True)):
            limits = self.settings.thresholds.get(category, Thresholds())
            for action, limit in (("block", limits.block), ("review", limits.review)):
                if limit is not None and probability >= limit:
                    actions.add(action)
                    reasons.append(f"{category}: {probability:.2f} reaches {limit:.2f}, from which on we {action}")
                    reasons.extend(self._words(category, index, normalised))
                    break
        if reasons:
            reasons.extend(self._disguise(text, normalised))
        action = next(action for action in ("block", "review", "allow") if action in actions)
        categories = dict(zip(self.settings.labels, map(float, row), strict=True))
        return ModerationPrediction.model_validate({"action": action, "categories": categories, "reasons": reasons})

    def _words(self, category: str, label: int, normalised: str) -> list[str]:
        linear = self._parts.get("linear")
        words = linear.evidence(normalised, label, SHOWN_WORDS) if isinstance(linear, LinearText) else []
        return [f"{category}: words that count most: {', '.join(words)}"] if words else []

    def _disguise(self, text: str, normalised: str) -> list[str]:
        """Say which tricks were undone."""
        reasons = []
        plain = set(self._plain(text).split())
        undone = [word for word in dict.fromkeys(normalised.split()) if word not in plain]
        if undone:
            reasons.append(f"disguised letters, read as: {', '.join(undone[:SHOWN_WORDS])}")
        if any(unicodedata.category(letter) == "Cf" and letter != "\u200d" for letter in text):
            reasons.append("invisible characters were removed")
        return reasons


def passages(normalised: str) -> list[str]:
    """Return overlapping passages of a long text; none of a shorter one."""
    words = normalised.split()
    if len(words) <= LONG_WORDS:
        return []
    starts = range(0, len(words) - PASSAGE_WORDS + PASSAGE_STEP, PASSAGE_STEP)
    return [" ".join(words[start : start + PASSAGE_WORDS]) for start in starts][:MAX_PASSAGES]


def _matrix(weights: list[list[float]] | None, size: int) -> NDArray[np.float32]:
    return np.eye(size, dtype=np.float32) if weights is None else np.array(weights, dtype=np.float32)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    normalised: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return normalised
