"""Score candidate, baselines and champion on the same splits, through the scorer that serves them.

The served models were trained on all ratings, so they know the test rows. What is scored instead are models trained by
the same recipe on the training part of each split, which ``train`` left under ``evaluation``. The champion is treated
alike: its recipe travels in its artifact and is trained again on the training part, less the ratings newer than any
the champion was trained on. A champion with the candidate's recipe and data therefore scores as the candidate does,
and new data count for the candidate.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from components.recommender.config import Config
from components.recommender.fit import fit_parts, save_artifact
from components.recommender.histories import Histories, histories_of
from components.recommender.metrics import DEPTH, Ranking, best, catalogue_metrics, user_metrics
from components.recommender.prepared import Prepared
from components.recommender.recipe import BASELINES, Recipe
from components.recommender.splits import cold_items
from components.statistics import mean_interval
from mediareview.artifact import ModelCard, load_manifest
from mediareview.console import step
from mediareview.evaluation import Evaluation, Metric, ModelScore
from serving.scorers.recommender import Recommender

PRIMARY = "ndcg@10"
FIRST_CLICKS = 5
"""Titles a new user has consumed when the cold-user slice asks for recommendations."""
CHUNK_USERS = 256
ALL_TITLES = "all titles compete"
Mask = NDArray[np.bool_]
Role = Literal["candidate", "baseline", "champion"]
Scalar = TypeVar("Scalar", bound=np.generic)


def evaluate(
    prepared_dir: Path, models_dir: Path, champion_dir: Path | None, config: Config, out_dir: Path
) -> Evaluation:
    """Score every model on the random split (metrics without slice) and the temporal split, and on slices.

    Args:
        prepared_dir: what ``preprocess`` wrote.
        models_dir: what ``train`` wrote.
        champion_dir: artifact of the champion, if there is one.
        config: seed and sample sizes.
        out_dir: for ``evaluation.json``.
    """
    prepared = Prepared.read(prepared_dir)
    per_user: dict[str, dict[str, NDArray[np.float64]]] = {}
    metrics: dict[str, list[Metric]] = {}
    directories = {"candidate": models_dir / "candidate"}
    directories |= {name: models_dir / "baselines" / name for name in BASELINES}
    test = _test_cases(prepared, "random", config)
    with step("Scoring on the random split"):
        for name in directories:
            model = Recommender.load(models_dir / "evaluation" / "random" / name)
            metrics[name], per_user[name] = _random_split(model, prepared, test, config)
        if champion_dir is not None:
            model = _champion(champion_dir, prepared, models_dir, config)
            metrics["champion"], per_user["champion"] = _random_split(model, prepared, test, config)
            directories["champion"] = champion_dir
    with step("Scoring on the temporal split and on titles never rated"):
        for name in ("candidate", *BASELINES):
            metrics[name] += _temporal_split(
                Recommender.load(models_dir / "evaluation" / "temporal" / name), prepared, config
            )
        cold = Recommender.load(models_dir / "evaluation" / "cold" / "candidate")
        for name, found in _cold_items(cold, prepared, test, config).items():
            metrics.setdefault(name, []).extend(found)
    for name in per_user:
        if name != "candidate":
            gain = per_user["candidate"][PRIMARY] - per_user[name][PRIMARY]
            metrics["candidate"].append(_mean(f"{PRIMARY}_gain_over_{name}", gain, "", config))
    roles: dict[str, Role] = {"candidate": "candidate", "champion": "champion"}
    evaluation = Evaluation(
        model="recommender",
        primary_metric=PRIMARY,
        split=(
            f"random {1 - config.test_share:.0%}/{config.test_share:.0%} per user (Microsoft Recommenders' stratified "
            f"split), all rated titles ranked, seen ones removed; slices 'temporal' split at one moment for everybody"
        ),
        seed=config.seed,
        scores=[
            ModelScore(
                name=name,
                role=roles.get(name, "baseline"),
                metrics=metrics[name],
                artifact=str(directory),
            )
            for name, directory in directories.items()
        ],
    )
    (out_dir / "evaluation.json").write_text(evaluation.model_dump_json(indent=2))
    return evaluation


def rank(model: Recommender, cases: Histories, *candidates: Mask | None) -> list[Ranking]:
    """Return the recommendations for each case, once for each set of candidates.

    Args:
        model: any recommender.
        cases: histories and what was held out.
        *candidates: titles that may be recommended, by the model's order; None means all.
    """
    tops: list[list[NDArray[np.intp]]] = [[np.empty((0, DEPTH), np.intp)] for _ in candidates]
    for start in range(0, len(cases.users), CHUNK_USERS):
        chunk = slice(start, start + CHUNK_USERS)
        scores = model.scores(cases.items[chunk], cases.ratings[chunk])
        for top, allowed in zip(tops, candidates, strict=True):
            top.append(best(scores if allowed is None else np.where(allowed, scores, np.float32(-np.inf))))
    relevant = [frozenset(model.known(wanted).tolist()) for wanted in cases.relevant]
    return [Ranking(np.concatenate(top), relevant) for top in tops]


def summary(ranking: Ranking, slice_: str, config: Config) -> list[Metric]:
    """Return the mean of each user metric with its interval."""
    return [_mean(name, values, slice_, config) for name, values in user_metrics(ranking).items()]


def _mean(name: str, values: NDArray[np.float64], slice_: str, config: Config) -> Metric:
    if not len(values):
        return Metric(name=name, value=float("nan"), slice=slice_, rows=0)
    low, high = mean_interval(values, config.seed, config.bootstrap_repetitions)
    return Metric(name=name, value=float(values.mean()), ci_low=low, ci_high=high, slice=slice_, rows=len(values))


def _test_cases(prepared: Prepared, split: str, config: Config) -> Histories:
    known, held_out = prepared.part(split, "train", "validation"), prepared.part(split, "test")
    return histories_of(prepared, known, held_out, config.max_test_users, config.seed)


def _in_model_order(model: Recommender, prepared: Prepared, values: NDArray[Scalar]) -> NDArray[Scalar]:
    """Reorder values per catalogue row into the model's order."""
    rows = {media_id: row for row, media_id in enumerate(prepared.catalogue["media_id"])}
    return values[[rows[media_id] for media_id in model.media_ids]]


def _random_split(
    model: Recommender, prepared: Prepared, cases: Histories, config: Config
) -> tuple[list[Metric], dict[str, NDArray[np.float64]]]:
    n_items = len(prepared.catalogue)
    known = prepared.part("random", "train", "validation")
    counts = _in_model_order(model, prepared, np.bincount(known["item"], minlength=n_items).astype(float))
    rated = _in_model_order(model, prepared, np.bincount(prepared.ratings["item"], minlength=n_items) > 0)
    ranking, unrestricted = rank(model, cases, rated, None)
    values = user_metrics(ranking)
    metrics = summary(ranking, "", config)
    metrics += [
        Metric(name=name, value=value, rows=len(cases.users))
        for name, value in catalogue_metrics(ranking, counts, int(rated.sum())).items()
    ]
    lengths = cases.lengths
    quarter, three_quarters = np.quantile(lengths, [0.25, 0.75]) if len(lengths) else (0, 0)
    activity = {
        f"least active quarter (up to {quarter:.0f} ratings)": lengths <= quarter,
        f"most active quarter (over {three_quarters:.0f} ratings)": lengths > three_quarters,
    }
    for label, chosen in activity.items():
        metrics.append(_mean(PRIMARY, values[PRIMARY][chosen], label, config))
    (short,) = rank(model, cases.shortened(FIRST_CLICKS, config.seed), rated)
    metrics.append(_mean(PRIMARY, user_metrics(short)[PRIMARY], f"only {FIRST_CLICKS} ratings known", config))
    metrics.append(_mean(PRIMARY, user_metrics(unrestricted)[PRIMARY], ALL_TITLES, config))
    return metrics, values


def _temporal_split(model: Recommender, prepared: Prepared, config: Config) -> list[Metric]:
    cases = _test_cases(prepared, "temporal", config)
    rated = _in_model_order(
        model, prepared, np.bincount(prepared.ratings["item"], minlength=len(prepared.catalogue)) > 0
    )
    metrics = summary(rank(model, cases, rated)[0], "temporal", config)
    new = cases.without_history()
    slices = {
        "temporal, known users": cases.with_history(),
        "temporal, cold users (no rating known)": new,
        f"temporal, cold users ({FIRST_CLICKS} ratings known)": new.first_known(FIRST_CLICKS),
        "temporal, cold users (10 ratings known)": new.first_known(10),
    }
    if prepared.served is not None:
        slices["temporal, histories from the feature store"] = cases.with_histories(prepared.served)
    for label, chosen in slices.items():
        metrics.append(_mean(PRIMARY, user_metrics(rank(model, chosen, rated)[0])[PRIMARY], label, config))
    return metrics


def _cold_items(model: Recommender, prepared: Prepared, cases: Histories, config: Config) -> dict[str, list[Metric]]:
    """Rank only titles without any rating in training: by content, by votes at the source, and by chance."""
    held_out = cold_items(prepared.ratings["item"].to_numpy(dtype=np.intp), config.cold_item_share, config.seed)
    ids = prepared.catalogue["media_id"].to_numpy()
    cold = set(ids[held_out])
    cases = replace(
        cases,
        relevant=[[media_id for media_id in wanted if media_id in cold] for wanted in cases.relevant],
        items=[[m for m in items if m not in cold] for items in cases.items],
        ratings=[
            [r for m, r in zip(items, ratings, strict=True) if m not in cold]
            for items, ratings in zip(cases.items, cases.ratings, strict=True)
        ],
    )
    cases = cases.where(np.array([bool(wanted) for wanted in cases.relevant], dtype=bool)).with_history()
    candidates = np.isin(np.array(model.media_ids, dtype=object), list(cold))
    columns = np.flatnonzero(candidates)
    label = f"cold items (the {len(cold)} titles held out, ranked among themselves)"
    votes = prepared.catalogue["votes"].astype(float).fillna(0).to_numpy()
    chance = np.random.default_rng(config.seed).random((len(cases.users), len(columns))).astype(np.float32)
    same = np.tile(_in_model_order(model, prepared, votes)[columns].astype(np.float32), (len(cases.users), 1))
    (ranked,) = rank(model, cases, candidates)

    def among_cold(scores: NDArray[np.float32]) -> list[Metric]:
        found = best(scores)
        top = np.where(found < 0, -1, columns[np.maximum(found, 0)])
        return summary(Ranking(top, ranked.relevant), label, config)

    # Nobody has rated these titles, so popularity, EASE and iALS cannot tell them apart: that is chance.
    by_chance = among_cold(chance)
    by_votes = [metric.model_copy(update={"slice": f"{label}, by votes at the source"}) for metric in among_cold(same)]
    return {"candidate": [*summary(ranked, label, config), *by_votes], **dict.fromkeys(BASELINES, by_chance)}


def _champion(champion_dir: Path, prepared: Prepared, models_dir: Path, config: Config) -> Recommender:
    """Train the champion's recipe again on what it could have seen of the training part."""
    settings = load_manifest(champion_dir).settings
    recipe = Recipe.model_validate(settings["recipe"])
    candidate_dir = models_dir / "evaluation" / "random" / "candidate"
    candidate = load_manifest(candidate_dir).settings
    rows = prepared.part("random", "train", "validation")
    seen = rows[rows["time"] <= settings["trained_until"]]
    if len(seen) == len(rows) and candidate["recipe"] == settings["recipe"]:
        return Recommender.load(candidate_dir)
    with tempfile.TemporaryDirectory() as directory:
        parts = fit_parts(prepared, seen if len(seen) else rows, recipe, Path(directory) / "checkpoints", "champion")
        save_artifact(parts, prepared, recipe, "champion", ModelCard(), Path(directory))
        return Recommender.load(Path(directory))
