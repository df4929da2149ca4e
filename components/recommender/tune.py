"""Make a recipe: hyper-parameters and blend chosen on the validation part of a split."""

from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.recommender.blend import choose_weights, mean_ndcg
from components.recommender.collaborative import ease, fold_in, ials, pair_counts
from components.recommender.config import Config
from components.recommender.fit import fit_parts, save_artifact
from components.recommender.histories import Histories, histories_of
from components.recommender.prepared import Prepared, close_pairs, interactions
from components.recommender.recipe import FEW, Bucket, PartName, Recipe
from mediareview.artifact import ModelCard
from serving.scorers.recommender import Recommender

SHORT_HISTORY = 5
"""Titles left of each history when the blend for short histories is chosen."""
START_MANY: dict[PartName, float] = {"item_item": 1, "factors": 1, "autoencoder": 1}
START_FEW: dict[PartName, float] = {"item_item": 1, "factors": 1, "autoencoder": 1, "popularity": 0.5}
"""First weights of the searches."""
UNRATED_PENALTIES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
MAX_UNRATED_LOSS = 0.01
MAX_SCORES = 100_000_000
"""Scores of a part that are held in memory at a time; with a larger catalogue fewer users validate."""


def make_recipe(prepared: Prepared, split: str, config: Config, work_dir: Path, checkpoint_dir: Path) -> Recipe:
    """Choose hyper-parameters, then the blend, on the validation rows of a split; test rows are not read.

    Args:
        prepared: data with splits.
        split: ``random`` or ``temporal``.
        config: the grids.
        work_dir: for the model that is fitted on the training rows alone.
        checkpoint_dir: where the autoencoder keeps checkpoints.
    """
    train = prepared.part(split, "train")
    recipe = _hyper_parameters(prepared, split, config)
    parts = fit_parts(
        prepared, train, recipe.model_copy(update={"blend": _EVERYTHING}), checkpoint_dir, f"{split}-validation"
    )
    directory = work_dir / f"{split}-validation"
    save_artifact(parts, prepared, recipe.model_copy(update={"blend": _EVERYTHING}), "hybrid", ModelCard(), directory)
    model = Recommender.load(directory)
    users = min(config.max_validation_users, max(100, MAX_SCORES // len(prepared.catalogue)))
    known = histories_of(prepared, train, prepared.part(split, "validation"), users, config.seed)
    # Those who are new in the validation part have just consumed their first titles.
    short = known.with_history().shortened(SHORT_HISTORY, config.seed) + known.without_history().first_known(
        SHORT_HISTORY
    )
    known = known.with_history()
    if not len(known.users):
        return recipe
    many = _weights(model, known, START_MANY)
    few = _weights(model, short, START_FEW)
    blend = [
        Bucket(min_history=0, weights={"popularity": 0.5, "trend": 0.5}),
        Bucket(min_history=1, weights=few),
        Bucket(min_history=FEW, weights=many),
    ]
    recipe = recipe.model_copy(update={"blend": blend})
    save_artifact(parts, prepared, recipe, "hybrid", ModelCard(), directory)
    return recipe.model_copy(update={"unrated_penalty": _unrated_penalty(Recommender.load(directory), known)})


_NAMES: tuple[PartName, ...] = ("item_item", "factors", "autoencoder", "content", "popularity", "trend")
_EVERYTHING = [Bucket(min_history=0, weights=dict.fromkeys(_NAMES, 1.0))]


def _weights(model: Recommender, histories: Histories, start: dict[PartName, float]) -> dict[PartName, float]:
    # Titles nobody has rated cannot be relevant here; leaving them out keeps the arrays small.
    n_rated: int = model.manifest.settings["n_rated"]
    scores: dict[PartName, list[NDArray[np.float32]]] = {name: [] for name in _NAMES}
    consumed = np.zeros((len(histories.users), n_rated), dtype=bool)
    for row, (history, ratings) in enumerate(zip(histories.items, histories.ratings, strict=True)):
        for name, values in model.part_scores(history, ratings).items():
            scores[name].append(values[:n_rated])  # type: ignore[index]
        found = model.known(history)
        consumed[row, found[found < n_rated]] = True
    relevant = [frozenset(model.known(wanted).tolist()) for wanted in histories.relevant]
    return choose_weights({name: np.stack(rows) for name, rows in scores.items()}, relevant, consumed, start)


def _unrated_penalty(model: Recommender, histories: Histories) -> float:
    """Return the smallest penalty with which titles nobody has rated cost at most ``MAX_UNRATED_LOSS`` of NDCG@10.

    Hardly any of them can be relevant here, so the best penalty would be endless, and new titles would never be shown.
    """
    n_rated: int = model.manifest.settings["n_rated"]
    relevant = [frozenset(model.known(wanted).tolist()) for wanted in histories.relevant]
    scores = model.scores(histories.items, histories.ratings)
    aim = (1 - MAX_UNRATED_LOSS) * mean_ndcg(scores[:, :n_rated], relevant)
    for penalty in UNRATED_PENALTIES:
        lowered = scores.copy()
        lowered[:, n_rated:] -= penalty
        if mean_ndcg(lowered, relevant) >= aim:
            return penalty
    return UNRATED_PENALTIES[-1]


def _hyper_parameters(prepared: Prepared, split: str, config: Config) -> Recipe:
    """Search the grids of EASE and iALS, each model by itself."""
    recipe = Recipe.initial(config)
    train, validation = prepared.part(split, "train"), prepared.part(split, "validation")
    counts = train["item"].value_counts()
    head = np.sort(counts.index.to_numpy()[: config.head_items])
    # Only users with ratings in both parts can be validated.
    users = np.intersect1d(train["user"], validation["user"])
    users = np.random.default_rng(config.seed).permutation(users)[: config.max_validation_users]
    if not len(users):
        return recipe
    position = pd.Series(range(len(head)), index=head)
    wanted = validation[validation["user"].isin(users) & validation["item"].isin(head)]
    relevant_by_user = wanted["item"].map(position).groupby(wanted["user"]).agg(frozenset)
    histories = train[train["user"].isin(relevant_by_user.index) & train["item"].isin(head)]
    relevant_by_user = relevant_by_user[relevant_by_user.index.isin(histories["user"])]
    histories = histories[histories["user"].isin(relevant_by_user.index)]
    if not len(relevant_by_user):
        return recipe
    relevant = relevant_by_user.sort_index().tolist()
    seen = interactions(histories, head, config.rating_slope)
    consumed = seen.toarray() > 0

    def value(scores: NDArray[np.float32]) -> float:
        return mean_ndcg(np.where(consumed, -np.inf, scores).astype(np.float32), relevant)

    weighted = interactions(train, head, config.rating_slope)

    def ease_value(pairs: NDArray[np.float64], regularization: float) -> float:
        return value(np.asarray(seen @ ease(pairs, regularization)))

    def best_regularization(pairs: NDArray[np.float64], options: list[float]) -> float:
        return max(options, key=partial(ease_value, pairs)) if len(options) > 1 else options[0]

    def ials_value(settings: tuple[int, float, float]) -> float:
        factors, regularization, unobserved = settings
        items = ials(weighted, factors, regularization, unobserved, config.ials_iterations, config.seed)
        return value(fold_in(seen, items, regularization, unobserved) @ items.T)

    grid = list(product(config.ials_factors, config.ials_regularizations, config.ials_unobserved_weights))
    factors, regularization, unobserved = max(grid, key=ials_value) if len(grid) > 1 else grid[0]
    return recipe.model_copy(
        update={
            "ease_regularization": best_regularization(
                pair_counts(interactions(train, head, 0)), config.ease_regularizations
            ),
            "item_item_regularization": best_regularization(close_pairs(train, head), config.item_item_regularizations),
            "ials_factors": factors,
            "ials_regularization": regularization,
            "ials_unobserved_weight": unobserved,
        }
    )
