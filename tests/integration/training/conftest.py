"""A few hundred real reviews, prepared, and the contexts of trainings on them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from components.sentiment.config import Config
from components.sentiment.load import TEXTS, prepare
from components.training.revision import code_digest
from components.training.steps import RunContext
from mediareview.lake import Lake
from mediareview.settings import get_settings

PARTS = {"train": 301, "validation": 200, "test": 600}
"""Texts of each part. Two processes cannot share 301 evenly."""

ENCODER = {"epochs": 2, "frozen_layers": 5, "learning_rate": 3e-4, "max_tokens": 24}


@pytest.fixture(scope="module")
def prepared(labelled_texts: Lake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("prepared")
    reviews = labelled_texts.read("reviews").to_pandas()
    texts = prepare(reviews[reviews["source"] == "vader-movie"], Config.profile("quick"))
    few = pd.concat([texts[texts["part"] == part].iloc[:count] for part, count in PARTS.items()])
    few.to_parquet(directory / TEXTS)
    (directory / "pins.json").write_text(json.dumps({"reviews": 1}))
    return directory


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("MEDIAREVIEW_HOME", str(home))
        get_settings.cache_clear()
        yield home
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def context() -> Callable[[int], RunContext]:
    """Return a function that gives the context of a training in so many processes."""

    def of(processes: int, **changes: object) -> RunContext:
        return RunContext(
            model="sentiment",
            profile="quick",
            # One thread whatever the number of processes: more of them would sum in another order.
            overrides={"threads": 1, "encoder": {**ENCODER, **changes}},
            lake_versions={"reviews": 1},
            code_digest=code_digest(),
            processes_per_node=processes,
        )

    return of
