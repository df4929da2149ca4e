"""Score a champion on a foreign ratings file: history in, held-out part ranked."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.ingestion import IngestSummary, ReadOptions, ingest_file
from components.recommender.config import Config
from components.recommender.evaluate import rank, summary
from components.recommender.fit import fit_parts, save_artifact
from components.recommender.histories import Histories, histories_of
from components.recommender.load import prepare
from components.recommender.prepared import Prepared
from components.recommender.recipe import BASELINES, Recipe
from components.recommender.tune import make_recipe
from mediareview.artifact import ModelCard, load_manifest
from mediareview.console import console, step
from mediareview.errors import MediaReviewError
from mediareview.evaluation import Metric
from mediareview.lake import Lake
from serving.scorers.recommender import Recommender

_KIND = {"head_items", "neighbours", "rating_slope", "ials_iterations", "trend_half_life_days"}
"""What a recipe takes over from the configuration as it is."""
KNOWN_SHARE = 0.5
"""Share of a file's titles that the champion must know to be scored as it is."""


def score_file(champion_dir: Path, data: Path, **reading: Any) -> list[Metric]:
    """Score a champion on ratings it never saw.

    The ratings of each user are split 75/25 at random, as in training. Where the champion knows at least half of the
    file's titles (by id, or by name and year if the file's own titles are beside it), it ranks them as it is. Where
    it does not, no score of the served weights would mean anything: a model of its kind is then tuned and trained on
    the file's training part, as the pipeline would do, and ranks the held-out part, beside popularity, EASE and iALS
    tuned alike. The slice of each metric says which of the two was done. Ratings the champion was trained on are
    ranked too well: the file must be new to it.

    Args:
        champion_dir: artifact of the champion.
        data: ratings in any format that ``ingest ratings`` reads; a directory may hold titles as well.
        **reading: ``format``, and the fields of ``ReadOptions``.

    Returns:
        NDCG@10, recall@10, recall@20 and MAP@10 with intervals.

    Raises:
        MediaReviewError: the file cannot be read or has too few ratings.
    """
    recipe = Recipe.model_validate(load_manifest(champion_dir).settings["recipe"])
    config = Config(seed=recipe.seed)
    ratings, media = read_file(data, **reading)
    champion = Recommender.load(champion_dir)
    ids = link(champion, ratings["media_id"].unique().tolist(), media)
    share = len(ids) / max(1, ratings["media_id"].nunique())
    if share >= KNOWN_SHARE:
        console.print(f"{share:.0%} of the titles are in the champion's catalogue; it is scored as it is.")
        linked = ratings.assign(media_id=ratings["media_id"].map(ids)).dropna(subset=["media_id"])
        catalogue = pd.DataFrame({"media_id": champion.media_ids, "title": champion.titles.names})
        prepared = prepare(linked, catalogue, config.model_copy(update={"content_dimensions": 2}))
        return _served(champion, prepared, config, f"champion as served; it knows {share:.0%} of the titles")
    console.print(
        f"Only {share:.0%} of the titles are in the champion's catalogue; a model of its kind is trained on the file."
    )
    return _refitted(prepare(ratings, media, config), recipe, champion.manifest.variety, config)


def read_file(data: Path, format: str = "auto", **reading: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read ratings, and titles if they are beside them, through the contracts.

    Raises:
        MediaReviewError: the file cannot be read or no row fits.
    """
    options = ReadOptions(**{name: value for name, value in reading.items() if value})
    with tempfile.TemporaryDirectory() as directory:
        lake = Lake((Path(directory) / "lake").as_uri())
        read = ingest_file(lake, "ratings", data, format, options)
        if not lake.exists("ratings"):
            raise MediaReviewError(f"No row of {data} is a rating.", _reasons(read))
        ratings = lake.read("ratings").to_pandas()
        media = pd.DataFrame({"media_id": pd.Series(dtype=str), "title": pd.Series(dtype=str)})
        try:
            ingest_file(lake, "media", _titles_beside(data), "movielens", ReadOptions())
            media = lake.read("media").to_pandas()
        except MediaReviewError:
            console.print("No titles are beside the ratings; ids are all there is.")
    return ratings, media


def _titles_beside(data: Path) -> Path:
    """Return the file of titles that a MovieLens release has beside its ratings, or the directory itself."""
    if data.is_dir():
        return data
    beside = [data.with_suffix(".item"), *(data.with_name(name) for name in ("u.item", "movies.dat", "movies.csv"))]
    return next((path for path in beside if path.is_file() and path != data), beside[0])


def link(champion: Recommender, media_ids: list[str], media: pd.DataFrame) -> dict[str, str]:
    """Return the champion's id for each foreign id: by name and year if titles are known, else by the id itself."""
    if len(media):
        from components.preprocessing.catalogue import name_keys

        years: dict[tuple[str, int], set[str]] = {}
        for index, (name, year) in enumerate(zip(champion.titles.names, champion.titles.years, strict=True)):
            for key in name_keys(name) if year else ():
                years.setdefault((key, year or 0), set()).add(champion.media_ids[index])
        linked: dict[str, str] = {}
        dated = media[media["media_id"].isin(media_ids) & media["year"].notna()]
        for media_id, title, year in zip(dated["media_id"], dated["title"], dated["year"].astype(int), strict=True):
            for key in name_keys(title):
                found = years.get((key, year), set())
                if len(found) == 1:
                    linked[media_id] = next(iter(found))
                    break
        # Two foreign titles cannot be one of ours.
        unique = pd.Series(linked).drop_duplicates(keep=False)
        return {str(foreign): str(own) for foreign, own in unique.items()}
    known = set(champion.media_ids)
    return {media_id: media_id for media_id in media_ids if media_id in known}


def _reasons(read: IngestSummary) -> str:
    return "; ".join(f"{count} x {reason}" for reason, count in list(read.reasons.items())[:3]) or "The file is empty."


def _cases(prepared: Prepared, config: Config) -> Histories:
    known, held_out = prepared.part("random", "train", "validation"), prepared.part("random", "test")
    cases = histories_of(prepared, known, held_out, config.max_test_users, config.seed)
    if not len(cases.users):
        raise MediaReviewError("No user has two ratings, so nothing can be held out.", "Give a larger file.")
    return cases


def _served(champion: Recommender, prepared: Prepared, config: Config, label: str) -> list[Metric]:
    rated = set(prepared.catalogue["media_id"].iloc[prepared.ratings["item"].unique()])
    candidates = np.array([media_id in rated for media_id in champion.media_ids])
    with step("Ranking"):
        return summary(rank(champion, _cases(prepared, config), candidates)[0], label, config)


def _refitted(prepared: Prepared, recipe: Recipe, variety: str, config: Config) -> list[Metric]:
    cases = _cases(prepared, config)
    rows = prepared.part("random", "train", "validation")
    kind = config.model_copy(update=recipe.model_dump(include=_KIND) | {"autoencoder": recipe.autoencoder})
    metrics: list[Metric] = []
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        with step("Choosing hyper-parameters and blend on the file"):
            tuned = make_recipe(prepared, "random", kind, directory / "tuning", directory / "checkpoints")
        champion = tuned.baseline(variety) if variety in BASELINES else tuned
        recipes = {f"champion's kind ({variety})": champion} | {name: tuned.baseline(name) for name in BASELINES}
        blend = [bucket for item in recipes.values() for bucket in item.blend]
        with step("Training on the file"):
            everything = tuned.model_copy(update={"blend": blend})
            parts = fit_parts(prepared, rows, everything, directory / "checkpoints", "foreign")
        with step("Ranking"):
            for name, own in recipes.items():
                save_artifact(parts, prepared, own, name, ModelCard(), directory / name)
                model = Recommender.load(directory / name)
                rated = set(prepared.catalogue["media_id"].iloc[prepared.ratings["item"].unique()])
                candidates = np.array([media_id in rated for media_id in model.media_ids])
                metrics += summary(rank(model, cases, candidates)[0], f"{name}, tuned and trained on the file", config)
    return metrics
