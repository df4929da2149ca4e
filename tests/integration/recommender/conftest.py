"""A small world with two tastes, and a recommender trained on it by the real steps."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from components.recommender import evaluate, load, train
from components.recommender.config import Config
from mediareview.contracts import CONTRACTS, arrow_schema
from mediareview.lake import Lake

GENRES = ("Sci-Fi", "Romance")
TITLES_PER_GENRE = 60
UNRATED_PER_GENRE = 5


def ratings(users: int = 150, seed: int = 0) -> pd.DataFrame:
    """Each user prefers one genre nine times in ten; within it, low numbers are the most popular."""
    random = np.random.default_rng(seed)
    popularity = 1 / np.arange(5, TITLES_PER_GENRE + 5)
    rows = []
    for user in range(users):
        taste = user % 2
        chosen: set[str] = set()
        moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=3 * user)
        while len(chosen) < 12 + user % 9:
            genre = taste if random.random() < 0.9 else 1 - taste
            title = int(random.choice(TITLES_PER_GENRE, p=popularity / popularity.sum()))
            media_id = f"{GENRES[genre]}-{title}"
            if media_id not in chosen:
                chosen.add(media_id)
                stars = float(random.integers(4, 6) if genre == taste else random.integers(1, 4))
                rows.append((f"user-{user}", media_id, stars, moment + timedelta(seconds=30 * len(chosen)), "world"))
    return pd.DataFrame(rows, columns=["user_id", "media_id", "rating", "rated_at", "source"])


def catalogue() -> pa.Table:
    titles = [(genre, n) for genre in GENRES for n in range(TITLES_PER_GENRE + UNRATED_PER_GENRE)]
    return pa.table(
        {
            "media_id": [f"{genre}-{n}" for genre, n in titles],
            "title": [f"{genre} story {n}" for genre, n in titles],
            "kind": ["film"] * len(titles),
            "year": [1980 + n % 20 for _, n in titles],
            "genres": [[genre] for genre, _ in titles],
            "directors": [[f"{genre} director {n % 7}"] for genre, n in titles],
            "votes": [1000] * len(titles),
        }
    )


class Trained:
    """The directories and the evaluation of a run of the steps."""

    def __init__(self, root, lake, champion=None):
        self.config = Config.profile("quick")
        self.data, self.prepared, self.models, out = (root / name for name in ("data", "prepared", "models", "out"))
        for directory in (self.data, self.prepared, self.models, out):
            directory.mkdir(parents=True)
        self.pins = lake.pin(["ratings", "catalogue"])
        load.load(lake, self.pins, self.config, self.data)
        load.preprocess(self.data, self.config, self.prepared)
        train.train(self.prepared, self.config, self.models, root / "checkpoints")
        self.evaluation = evaluate.evaluate(self.prepared, self.models, champion, self.config, out)


@pytest.fixture(scope="session")
def lake(tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("lake").as_uri())
    lake.replace("ratings", pa.Table.from_pandas(ratings(), schema=arrow_schema(CONTRACTS["ratings"])))
    lake.replace("catalogue", catalogue())
    return lake


@pytest.fixture(scope="session")
def trained(lake, tmp_path_factory):
    return Trained(tmp_path_factory.mktemp("first"), lake)


@pytest.fixture
def world():
    """The functions that make more of the same world."""
    from types import SimpleNamespace

    return SimpleNamespace(ratings=ratings)
