"""Train the candidate and the baselines, once per split for the evaluation and once on everything for serving."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from components.recommender.config import Config
from components.recommender.fit import fit_parts, save_artifact
from components.recommender.prepared import Prepared
from components.recommender.recipe import BASELINES, Recipe
from components.recommender.splits import cold_items
from components.recommender.tune import make_recipe
from mediareview.artifact import ModelCard
from mediareview.console import step

SPLITS = ("random", "temporal")
LIMITS = [
    "Relevance is consumption: a title rated low counts as a hit as much as one rated high.",
    "Titles without ratings are ranked by factors predicted from metadata; those without metadata come last.",
    "The metrics belong to models trained on the training part of each split with the same recipe; the served model "
    "is trained on all ratings.",
    "Votes and plots of the film database are newer than the ratings.",
]


def train(prepared_dir: Path, config: Config, out_dir: Path, checkpoint_dir: Path) -> None:
    """Write ``candidate`` and ``baselines/NAME``, and below ``evaluation`` what is scored instead of them.

    For each split a recipe (hyper-parameters and blend) is chosen on its validation part, and candidate and baselines
    are trained on its training part: ``evaluation/random/candidate``, ``evaluation/temporal/ease`` and so on. The
    served models follow the recipe of the random split and see all ratings. ``evaluation/cold`` never saw some titles.

    Args:
        prepared_dir: what ``preprocess`` wrote.
        config: grids and sizes.
        out_dir: for the artifacts.
        checkpoint_dir: of the autoencoder; an interrupted training goes on from there.
    """
    prepared = Prepared.read(prepared_dir)
    work_dir = out_dir / ".work"
    recipes: dict[str, Recipe] = {}
    for split in SPLITS:
        with step(f"Choosing hyper-parameters and blend ({split} split)"):
            recipes[split] = make_recipe(prepared, split, config, work_dir, checkpoint_dir)
        with step(f"Training on the {split} split"):
            rows = prepared.part(split, "train", "validation")
            directory = out_dir / "evaluation" / split
            _fit_all(prepared, rows, recipes[split], directory, directory, checkpoint_dir, split)
    recipe = recipes["random"]
    with step("Training without the held-out titles"):
        fit_without_cold_items(prepared, recipe, config, out_dir / "evaluation" / "cold" / "candidate")
    with step("Training on all ratings"):
        _fit_all(prepared, prepared.ratings, recipe, out_dir, out_dir / "baselines", checkpoint_dir, "served")
    shutil.rmtree(work_dir, ignore_errors=True)


def fit_without_cold_items(prepared: Prepared, recipe: Recipe, config: Config, directory: Path) -> None:
    """Train what knows titles without ratings on the random split, with some titles held out."""
    rows = prepared.part("random", "train", "validation")
    held_out = cold_items(prepared.ratings["item"].to_numpy(dtype=np.intp), config.cold_item_share, config.seed)
    known = recipe.model_copy(
        update={"blend": [bucket.model_copy(update={"weights": {"factors": 1.0}}) for bucket in recipe.blend]}
    )
    parts = fit_parts(prepared, rows[~rows["item"].isin(held_out)], known, directory, "cold")
    save_artifact(parts, prepared, known, "hybrid", ModelCard(), directory)


def _fit_all(
    prepared: Prepared,
    rows: pd.DataFrame,
    recipe: Recipe,
    candidate_root: Path,
    baseline_root: Path,
    checkpoint_dir: Path,
    name: str,
) -> None:
    recipes = {"candidate": recipe} | {baseline: recipe.baseline(baseline) for baseline in BASELINES}
    everything = recipe.model_copy(update={"blend": [bucket for item in recipes.values() for bucket in item.blend]})
    parts = fit_parts(prepared, rows, everything, checkpoint_dir, name)
    for model, own in recipes.items():
        root = candidate_root if model == "candidate" else baseline_root
        variety = "hybrid" if model == "candidate" else model
        save_artifact(parts, prepared, own, variety, _card(prepared, rows, own, variety), root / model)


def _card(prepared: Prepared, rows: pd.DataFrame, recipe: Recipe, variety: str) -> ModelCard:
    weights = "; ".join(
        f"from {bucket.min_history} titles: "
        + ", ".join(f"{name} {weight:g}" for name, weight in bucket.weights.items())
        for bucket in recipe.blend
    )
    return ModelCard(
        lake_versions=prepared.lake_versions,
        parameters=recipe.model_dump(),
        summary=f"Recommender ({variety}). Blend of standardised scores by length of the history: {weights}.",
        rows={
            "ratings": len(rows),
            "users": int(rows["user"].nunique()),
            "rated titles": int(rows["item"].nunique()),
            "titles": len(prepared.catalogue),
            **{
                f"{split} {part}": int(count)
                for split in SPLITS
                for part, count in prepared.ratings[split].value_counts().sort_index().items()
            },
        },
        labels="Ratings of people, read as consumption.",
        limits=LIMITS,
    )
