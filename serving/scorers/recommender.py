"""Recommends titles: a blend of collaborative and content parts, ranked over the full catalogue, in numpy."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors.numpy import load_file

from mediareview.artifact import Manifest, load_manifest
from mediareview.contracts.prediction import RecommendationPrediction, RecommendationRequest, RecommendedItem
from mediareview.errors import MediaReviewError
from serving.scorers._recommender_parts import Floats, Indices, Part, load_parts
from serving.scorers._recommender_reasons import Reasons, Titles

ITEMS, WEIGHTS = "items.parquet", "weights.safetensors"
NEUTRAL_STARS = 3.0
"""A rating of three stars weighs as much as a title consumed without a rating."""


@dataclass
class UserState:
    """What is known of a user when the request comes."""

    history: list[str] = field(default_factory=list)
    """Titles consumed, oldest first."""
    ratings: list[float] = field(default_factory=list)
    """Stars from 0.5 to 5 for each title of the history; NaN where it was consumed without a rating."""
    blocked: list[str] = field(default_factory=list)
    """Titles the user hid or blocked."""


class Recommender:
    """The scorer of every recommender artifact, baselines included: the blend decides which parts count.

    The raw scores of a part are standardised per request over the head titles. A title that a part does not know
    takes the standardised score of the factors, which know every title: those nobody has rated have factors predicted
    from their content, and lose ``unrated_penalty``, because most of them stay unrated. Without factors it comes last.

    Args:
        manifest: settings ``n_head``, ``n_rated``, ``rating_slope``, ``unrated_penalty``, ``blend``, and of the parts.
        titles: the catalogue, in the order of the parts.
        parts: the parts by name.
    """

    def __init__(self, manifest: Manifest, titles: Titles, parts: dict[str, Part]) -> None:
        self.manifest = manifest
        self.titles = titles
        self.parts = parts
        self.n_head: int = manifest.settings["n_head"]
        self.n_rated: int = manifest.settings["n_rated"]
        self.unrated_penalty = np.float32(manifest.settings["unrated_penalty"])
        self.rating_slope: float = manifest.settings["rating_slope"]
        self.blend: list[dict[str, Any]] = sorted(manifest.settings["blend"], key=lambda bucket: bucket["min_history"])
        self._index = {media_id: index for index, media_id in enumerate(titles.media_ids)}
        for index, imdb_id in enumerate(titles.imdb_ids):
            if imdb_id:
                self._index.setdefault(imdb_id, index)
        self._reasons = Reasons(titles, parts)

    @classmethod
    def load(cls, directory: Path) -> "Recommender":
        """Load an artifact.

        Raises:
            MediaReviewError: the directory holds no recommender.
        """
        manifest = load_manifest(directory)
        if manifest.name != "recommender":
            raise MediaReviewError(f"{directory} holds a {manifest.name} model.", "Give a recommender's directory.")
        titles = Titles.from_table(pq.read_table(directory / ITEMS))
        return cls(manifest, titles, load_parts(load_file(directory / WEIGHTS), manifest.settings))

    @property
    def media_ids(self) -> list[str]:
        """Ids of the catalogue, in the order of the scores."""
        return self.titles.media_ids

    def known(self, media_ids: Iterable[str]) -> Indices:
        """Return the catalogue indices of the ids that are in the catalogue, in their order."""
        return np.array([self._index[media_id] for media_id in media_ids if media_id in self._index], dtype=np.intp)

    def recommend(self, request: RecommendationRequest, user: UserState | None = None) -> RecommendationPrediction:
        """Return the best titles for a request.

        The request's history counts as newer than the user's. Titles consumed, blocked or excluded are never shown,
        ids outside the catalogue are ignored, and without any known title the answer is a labelled fallback.

        Args:
            request: who asks, and what they saw in this session.
            user: what the feature store knows of the user; None if it knows nothing.
        """
        state = user or UserState()
        history = [*state.history, *request.history]
        ratings = [*state.ratings, *[math.nan] * (len(history) - len(state.ratings))]
        items, stars = self._consumed(history, ratings)
        fallback: Literal["unknown_user", "no_history"] | None = None
        if not len(items):
            fallback = "unknown_user" if request.user_id is not None and user is None else "no_history"

        scores = self._blended(items, stars)
        scores[items] = -np.inf
        scores[self.known(state.blocked)] = -np.inf
        scores[self.known(request.exclude)] = -np.inf
        best = _best(scores, request.limit)
        reasons = self._reasons.explain(best, items, stars, self._weights(stars))
        return RecommendationPrediction(
            items=[
                RecommendedItem(
                    media_id=self.titles.media_ids[index],
                    title=self.titles.label(index),
                    score=round(float(scores[index]), 4),
                    reasons=why,
                )
                for index, why in zip(best.tolist(), reasons, strict=True)
            ],
            fallback=fallback,
        )

    def scores(
        self, histories: Sequence[Sequence[str]], ratings: Sequence[Sequence[float]] | None = None
    ) -> NDArray[np.float32]:
        """Return the scores that ``recommend`` ranks, for many histories.

        Args:
            histories: titles consumed, one sequence per user, oldest first.
            ratings: stars for each title; None means consumed without a rating.

        Returns:
            Scores [n_users, n_items] in the order of ``media_ids``; -inf for what the user consumed.
        """
        result = np.empty((len(histories), len(self.titles.media_ids)), np.float32)
        for row, history in enumerate(histories):
            items, stars = self._consumed(history, ratings[row] if ratings is not None else [math.nan] * len(history))
            result[row] = self._blended(items, stars)
            result[row, items] = -np.inf
        return result

    def part_scores(self, history: Sequence[str], ratings: Sequence[float]) -> dict[str, Floats]:
        """Return each part's standardised scores [n_items] for a history: what the blend weighs."""
        items, stars = self._consumed(history, ratings)
        return self._standardised(items, stars, self.parts)

    def _consumed(self, history: Sequence[str], ratings: Sequence[float]) -> tuple[Indices, Floats]:
        """Return catalogue indices and stars of the known titles; of a repeated title the last mention counts."""
        stars: dict[int, float] = {}
        for media_id, rating in zip(history, ratings, strict=True):
            index = self._index.get(media_id)
            if index is not None:
                previous = stars.pop(index, math.nan)
                stars[index] = previous if math.isnan(rating) else rating
        return np.array(list(stars), dtype=np.intp), np.array(list(stars.values()), dtype=np.float32)

    def _weights(self, stars: Floats) -> Floats:
        weights = 1 + self.rating_slope * (np.nan_to_num(stars, nan=NEUTRAL_STARS) - NEUTRAL_STARS)
        return np.asarray(np.maximum(weights, 0.1), dtype=np.float32)

    def _standardised(self, items: Indices, stars: Floats, names: Iterable[str]) -> dict[str, Floats]:
        weights = self._weights(stars)
        names = list(names)
        result: dict[str, Floats] = {}
        # The factors come first: they stand in for what the others do not know.
        for name in sorted(names, key=lambda name: name != "factors"):
            raw = self.parts[name].scores(items, weights)
            head = raw[: self.n_head]
            scaled: Floats = (raw - head.mean()) / np.float32(max(float(head.std()), 1e-6))
            missing = len(self.titles.media_ids) - len(raw)
            if missing:
                last = np.full(missing, scaled.min() - 1, np.float32)
                scaled = np.concatenate([scaled, result["factors"][-missing:] if "factors" in result else last])
            result[name] = scaled
        return {name: result[name] for name in names}

    def _blended(self, items: Indices, stars: Floats) -> Floats:
        bucket = next(bucket for bucket in reversed(self.blend) if bucket["min_history"] <= len(items))
        weights: dict[str, float] = {name: weight for name, weight in bucket["weights"].items() if weight}
        result: Floats = np.zeros(len(self.titles.media_ids), np.float32)
        for name, scores in self._standardised(items, stars, weights).items():
            result += np.float32(weights[name]) * scores
        result[self.n_rated :] -= self.unrated_penalty
        return result


def _best(scores: Floats, limit: int) -> Indices:
    """Return the indices of the highest finite scores, best first; ties in catalogue order."""
    limit = min(limit, len(scores))
    if not limit:
        return np.empty(0, np.intp)
    best = np.sort(np.argpartition(-scores, limit - 1)[:limit])
    best = best[np.argsort(-scores[best], kind="stable")]
    return best[np.isfinite(scores[best])]
