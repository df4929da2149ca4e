"""From a recipe and ratings to an artifact."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors.numpy import save_file

from components.recommender.collaborative import ease, ials, keep_strongest, pair_counts
from components.recommender.content import predicted_factors, similarity_vectors
from components.recommender.prepared import Prepared, close_pairs, interactions
from components.recommender.recipe import Recipe
from mediareview.artifact import Manifest, ModelCard, save_manifest
from serving.scorers.recommender import ITEMS, WEIGHTS

DENSE_HEAD_ITEMS = 6000
"""Largest head whose item-item weights are stored as a dense matrix."""
TREND_DAYS = 30
TRENDING_SHARE = 0.02
"""Share of the rated titles that may be called popular this month."""
CAST_SHOWN = 5
DAY_S = 86_400


@dataclass(frozen=True)
class FittedParts:
    """Tensors of the parts, named ``PART.TENSOR``, and the catalogue order they speak of."""

    tensors: dict[str, NDArray[Any]]
    order: NDArray[np.intp]
    """Titles, the most rated first, then those without ratings by number."""
    n_head: int
    n_rated: int
    trending: NDArray[np.bool_]
    trained_until: int
    """Time of the newest rating, in seconds since 1970."""


def fit_parts(
    prepared: Prepared, ratings: pd.DataFrame, recipe: Recipe, checkpoint_dir: Path, name: str
) -> FittedParts:
    """Fit every part that the recipe's blend weighs.

    Args:
        prepared: catalogue and content.
        ratings: the training rows of ``prepared.ratings``.
        recipe: hyper-parameters.
        checkpoint_dir: where the autoencoder keeps checkpoints.
        name: of this training among those that share the directory.
    """
    n_items = len(prepared.catalogue)
    counts = np.bincount(ratings["item"], minlength=n_items).astype(np.float64)
    order = np.lexsort((np.arange(n_items), -counts))
    n_rated = int((counts > 0).sum())
    n_head = min(n_rated, recipe.head_items)
    head, rated = order[:n_head], order[:n_rated]
    tensors: dict[str, NDArray[Any]] = {}
    newest = int(ratings["time"].max())
    age_days = (newest - ratings["time"].to_numpy()) / DAY_S
    decayed = np.bincount(ratings["item"], 0.5 ** (age_days / recipe.trend_half_life_days), minlength=n_items)
    tensors["popularity.items"] = np.log1p(counts[order]).astype(np.float32)
    tensors["trend.items"] = np.log1p(decayed[order]).astype(np.float32)

    if "ease" in recipe.parts:
        pairs = pair_counts(interactions(ratings, head, slope=0))
        tensors |= _item_item("ease", ease(pairs, recipe.ease_regularization), recipe.neighbours)
    if "item_item" in recipe.parts:
        weights = ease(close_pairs(ratings, head), recipe.item_item_regularization)
        tensors |= _item_item("item_item", weights, recipe.neighbours)
    if "factors" in recipe.parts:
        factors = ials(
            interactions(ratings, rated, recipe.rating_slope),
            recipe.ials_factors,
            recipe.ials_regularization,
            recipe.ials_unobserved_weight,
            recipe.ials_iterations,
            recipe.seed,
        )
        everything = predicted_factors(prepared.content, factors, counts[rated], rated)[order]
        everything[:n_rated] = factors
        tensors["factors.items"] = everything
    if "autoencoder" in recipe.parts:
        from components.recommender.autoencoder import train_autoencoder

        histories = interactions(ratings, head, recipe.rating_slope)
        trained = train_autoencoder(histories, recipe.autoencoder, recipe.seed, checkpoint_dir, name)
        tensors |= {f"autoencoder.{key}": value for key, value in trained.items()}
    if "content" in recipe.parts:
        tensors["content.vectors"] = similarity_vectors(prepared.content)[order]

    recent = np.bincount(ratings["item"][age_days <= TREND_DAYS], minlength=n_items)[order]
    popular = np.zeros(n_items, dtype=bool)
    popular[np.argsort(-recent, kind="stable")[: max(1, round(TRENDING_SHARE * n_rated))]] = True
    return FittedParts(tensors, order, n_head, n_rated, popular & (recent > 1), newest)


def _item_item(part: str, weights: NDArray[np.float32], neighbours: int) -> dict[str, NDArray[Any]]:
    if len(weights) <= DENSE_HEAD_ITEMS:
        return {f"{part}.values": weights}
    values, columns, starts = keep_strongest(weights, neighbours)
    return {f"{part}.values": values, f"{part}.columns": columns, f"{part}.rows": starts}


def save_artifact(
    parts: FittedParts, prepared: Prepared, recipe: Recipe, variety: str, card: ModelCard, directory: Path
) -> None:
    """Write the artifact with the parts that the recipe's blend weighs.

    Args:
        parts: fitted with a recipe of the same hyper-parameters and at least the same parts.
        prepared: the catalogue.
        recipe: blend and hyper-parameters, stored for training the model again.
        variety: ``hybrid`` or the baseline's name.
        card: the model card.
        directory: replaced if it is there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    kept = {
        name: np.ascontiguousarray(tensor)
        for name, tensor in parts.tensors.items()
        if name.partition(".")[0] in recipe.parts
    }
    if "factors.items" in kept and not recipe.content_predicts_factors:
        kept["factors.items"] = kept["factors.items"][: parts.n_rated]
    save_file(kept, directory / WEIGHTS)
    pq.write_table(_titles(prepared.catalogue.iloc[parts.order], parts.trending), directory / ITEMS)
    settings = {
        "n_head": parts.n_head,
        "n_rated": parts.n_rated,
        "rating_slope": recipe.rating_slope,
        "unrated_penalty": recipe.unrated_penalty,
        "blend": [bucket.model_dump() for bucket in recipe.blend],
        "factors": {
            "unobserved_weight": recipe.ials_unobserved_weight,
            "regularization": recipe.ials_regularization,
        },
        "trained_until": parts.trained_until,
        "recipe": recipe.model_dump(),
    }
    save_manifest(directory, Manifest(name="recommender", variety=variety, settings=settings, card=card))


def _titles(catalogue: pd.DataFrame, trending: NDArray[np.bool_]) -> pa.Table:
    def names(column: str, limit: int) -> list[list[str]]:
        return [[] if value is None else [str(name) for name in value][:limit] for value in catalogue[column]]

    years = pd.to_numeric(catalogue["year"], errors="coerce")
    return pa.table(
        {
            "media_id": pa.array(catalogue["media_id"], pa.string()),
            "title": pa.array(catalogue["title"], pa.string()),
            "kind": pa.array(catalogue["kind"], pa.string()),
            "year": pa.array([None if np.isnan(year) else int(year) for year in years], pa.int64()),
            "imdb_id": pa.array(
                [value if isinstance(value, str) else None for value in catalogue["imdb_id"]], pa.string()
            ),
            "directors": pa.array(names("directors", CAST_SHOWN), pa.list_(pa.string())),
            "writers": pa.array(names("writers", CAST_SHOWN), pa.list_(pa.string())),
            "cast": pa.array(names("cast", CAST_SHOWN), pa.list_(pa.string())),
            "trending": pa.array(trending),
        }
    )
