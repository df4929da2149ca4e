"""The first two steps: copy the pinned rows out of the lake, then split them and describe the titles."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from components.preprocessing import check_prepared
from components.recommender.config import Config
from components.recommender.content import content_features
from components.recommender.prepared import Prepared
from components.recommender.splits import stratified_split, temporal_split
from mediareview.console import console
from mediareview.errors import MediaReviewError
from mediareview.features import FEATURE_TABLES
from mediareview.lake import Lake
from mediareview.settings import get_settings

CATALOGUE_COLUMNS = (
    "media_id", "title", "kind", "year", "genres", "directors", "cast", "writers", "plot", "keywords",
    "imdb_id", "votes",
)  # fmt: skip
MIN_RATINGS = 20


def load(lake: Lake, pins: dict[str, int], config: Config, out_dir: Path) -> None:
    """Copy the pinned ratings and, if it is pinned, the catalogue to Parquet files beside ``pins.json``.

    Features, if they are pinned, are read by ``preprocess`` through Feast, for the moments of the test cases.

    Args:
        lake: where the tables are.
        pins: version of each table; ``catalogue`` may be missing.
        config: unused so far; every load function takes it.
        out_dir: where the files go.
    """
    columns = ["user_id", "media_id", "rating", "rated_at"]
    lake.read("ratings", pins["ratings"], columns).to_pandas().to_parquet(out_dir / "ratings.parquet", index=False)
    if "catalogue" in pins:
        catalogue = lake.read("catalogue", pins["catalogue"]).to_pandas()
    else:
        catalogue = pd.DataFrame({"media_id": pd.Series(dtype=str), "title": pd.Series(dtype=str)})
    kept = [column for column in CATALOGUE_COLUMNS if column in catalogue]
    catalogue[kept].to_parquet(out_dir / "catalogue.parquet", index=False)
    (out_dir / "pins.json").write_text(json.dumps(pins, indent=2, sort_keys=True))


def preprocess(data_dir: Path, config: Config, out_dir: Path) -> None:
    """Number users and titles, split the ratings, compute content features, and ask the feature store for histories.

    Raises:
        MediaReviewError: there are too few ratings to learn from, or the feature store does not hold what is pinned.
    """
    prepared = prepare(
        pd.read_parquet(data_dir / "ratings.parquet"), pd.read_parquet(data_dir / "catalogue.parquet"), config
    )
    pins = json.loads((data_dir / "pins.json").read_text())
    prepared = replace(prepared, lake_versions=pins)
    if set(FEATURE_TABLES) <= set(pins):
        from components.recommender.served import served_histories  # Feast takes seconds to import

        check_prepared(pins, get_settings())
        prepared = replace(prepared, served=served_histories(prepared, get_settings()))
    prepared.write(out_dir)
    ratings = prepared.ratings
    console.print(
        f"{len(ratings):,} ratings by {ratings['user'].nunique():,} users of {ratings['item'].nunique():,} titles; "
        f"the catalogue has {len(prepared.catalogue):,}"
    )


def prepare(ratings: pd.DataFrame, catalogue: pd.DataFrame, config: Config) -> Prepared:
    """Return prepared data for ratings (``user_id``, ``media_id``, ``rating``, ``rated_at``) and a catalogue.

    Raises:
        MediaReviewError: there are too few ratings to learn from.
    """
    # One row per user and title: the newest rating, the higher one if two are equally new.
    ratings = ratings.sort_values(["user_id", "media_id", "rated_at", "rating"], kind="stable")
    ratings = ratings.drop_duplicates(["user_id", "media_id"], keep="last").reset_index(drop=True)
    ratings = _sample_users(ratings, config)
    if len(ratings) < MIN_RATINGS or ratings["media_id"].nunique() < 2:
        raise MediaReviewError(
            f"{len(ratings)} ratings are too few to train a recommender.",
            f"At least {MIN_RATINGS} ratings of two or more titles are needed; ingest more.",
        )
    catalogue = _complete(catalogue, ratings["media_id"])
    ratings = _numbered(ratings, catalogue)
    test = stratified_split(ratings["user"].to_numpy(), config.test_share, config.seed)
    ratings["random"] = np.where(test, "test", "train")
    rest = ~test
    validation = stratified_split(ratings.loc[rest, "user"].to_numpy(), config.validation_share, config.seed + 1)
    ratings.loc[ratings.index[rest][validation], "random"] = "validation"

    times = ratings["time"].to_numpy()
    late, _ = temporal_split(times, config.temporal_test_share)
    ratings["temporal"] = np.where(late, "test", "train")
    newest, _ = temporal_split(times[~late], config.validation_share)
    ratings.loc[ratings.index[~late][newest], "temporal"] = "validation"
    ratings = ratings.sort_values(["user", "time", "item"], kind="stable").reset_index(drop=True)
    return Prepared(ratings, catalogue, content_features(catalogue, config))


def _sample_users(ratings: pd.DataFrame, config: Config) -> pd.DataFrame:
    users = np.sort(ratings["user_id"].unique().astype(str))
    if config.max_users is None or len(users) <= config.max_users:
        return ratings
    chosen = np.random.default_rng(config.seed).choice(users, config.max_users, replace=False)
    return ratings[ratings["user_id"].isin(chosen)].reset_index(drop=True)


def _complete(catalogue: pd.DataFrame, rated: pd.Series) -> pd.DataFrame:
    """Return the catalogue by id, with a row for each rated title that it lacks, named by its id."""
    catalogue = catalogue.drop_duplicates("media_id")
    missing = np.setdiff1d(rated.unique().astype(str), catalogue["media_id"].to_numpy().astype(str))
    unknown = pd.DataFrame({"media_id": missing, "title": missing, "kind": "film"})
    catalogue = pd.concat([catalogue, unknown], ignore_index=True) if len(catalogue) else unknown
    catalogue = catalogue.sort_values("media_id", kind="stable").reset_index(drop=True)
    for column in CATALOGUE_COLUMNS:
        if column not in catalogue:
            catalogue[column] = None
        elif catalogue[column].dtype == object:
            # Where a title has no row, pandas puts NaN, which is neither a text nor a list.
            catalogue.loc[catalogue[column].isna(), column] = None
    catalogue["kind"] = catalogue["kind"].fillna("film")
    return catalogue


def _numbered(ratings: pd.DataFrame, catalogue: pd.DataFrame) -> pd.DataFrame:
    """Return ratings with numbers for ids. Ids that are all digits count as numbers, so 9 comes before 10."""
    users = ratings["user_id"].unique().astype(str)
    users = users[np.lexsort((users, np.char.str_len(users)))] if _all_digits(users) else np.sort(users)
    items = pd.Series(range(len(catalogue)), index=catalogue["media_id"])
    numbered = pd.DataFrame(
        {
            "user_id": ratings["user_id"].astype(str),
            "user": ratings["user_id"].map({user: number for number, user in enumerate(users.tolist())}).astype(int),
            "item": ratings["media_id"].map(items).astype(int),
            "rating": ratings["rating"].astype(float),
            "time": ratings["rated_at"].astype("datetime64[us, UTC]").astype("int64") // 1_000_000,
        }
    )
    return numbered.sort_values(["user", "item"], kind="stable").reset_index(drop=True)


def _all_digits(values: np.ndarray) -> bool:
    return bool(np.char.isdigit(values).all())
