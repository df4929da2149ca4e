"""The first two steps: copy the pinned reviews out of the lake, then normalise and split them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from components.sentiment.config import LABELS, Config
from components.texts.split import first_by_hash, split_by_text, text_key
from mediareview.console import console
from mediareview.errors import MediaReviewError
from mediareview.lake import Lake
from mediareview.text import Normaliser

TEXTS = "texts.parquet"
MIN_TEXTS = 10
"""Least texts of each label in the training and in the validation part."""


def load(lake: Lake, pins: dict[str, int], config: Config, out_dir: Path) -> None:
    """Copy the pinned reviews that have a sentiment label to a Parquet file beside ``pins.json``.

    Args:
        lake: where the table is.
        pins: version of ``reviews``.
        config: unused so far; every load function takes it.
        out_dir: where the files go.
    """
    columns = ["review_id", "text", "sentiment", "split", "source"]
    labelled = pc.field("sentiment").is_valid()
    reviews = lake.read("reviews", pins["reviews"], columns, labelled).to_pandas()
    reviews.to_parquet(out_dir / "reviews.parquet", index=False)
    (out_dir / "pins.json").write_text(json.dumps(pins, indent=2, sort_keys=True))


def preprocess(data_dir: Path, config: Config, out_dir: Path) -> None:
    """Normalise the texts, drop repeated ones, and split the rest.

    Raises:
        MediaReviewError: there are too few reviews of some label.
    """
    texts = prepare(pd.read_parquet(data_dir / "reviews.parquet"), config)
    texts.to_parquet(out_dir / TEXTS, index=False)
    (out_dir / "pins.json").write_bytes((data_dir / "pins.json").read_bytes())
    console.print(", ".join(f"{count:,} {part}" for part, count in texts["part"].value_counts().items()) + " texts")


def prepare(reviews: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Return the texts to learn from and to test on.

    Args:
        reviews: columns ``review_id``, ``text``, ``sentiment``, ``split`` and ``source``.
        config: shares, sample sizes and seed.

    Returns:
        Columns ``text`` (as written), ``normalised``, ``label`` (position in ``LABELS``), ``source``, ``benchmark``
        (whether it counts in the headline metrics) and ``part``. No text occurs twice. Where several sources have it,
        the benchmark source's label counts, so that the same snippet with another source's label cannot leak.

    Raises:
        MediaReviewError: there are too few reviews of some label.
    """
    normalise = Normaliser()
    texts = pd.DataFrame(
        {
            "text": reviews["text"],
            "normalised": [normalise(text) for text in reviews["text"]],
            "label": reviews["sentiment"].map({label: number for number, label in enumerate(LABELS)}).astype(int),
            "source": reviews["source"].fillna(""),
            "published": reviews["split"],
            "review_id": reviews["review_id"],
        }
    )
    texts = texts[texts["normalised"] != ""]
    texts["key"] = [text_key(text) for text in texts["normalised"]]
    texts["benchmark"] = texts["source"] == config.benchmark_source
    texts = texts.sort_values(["benchmark", "key", "review_id"], ascending=[False, True, True], kind="stable")
    texts = texts.drop_duplicates("key").reset_index(drop=True)
    if not texts["benchmark"].any():
        texts["benchmark"] = True
    texts["part"] = split_by_text(texts["key"].tolist(), config.test_share, config.validation_share, config.seed)
    # A published test part is for testing; what is published for training still needs our validation part.
    texts.loc[texts["published"] == "test", "part"] = "test"
    texts.loc[(texts["published"] == "train") & (texts["part"] == "test"), "part"] = "train"
    texts = pd.concat(
        [
            _sample(texts[texts["benchmark"] & (texts["part"] == "train")], config.max_train_texts, config.seed),
            _sample(_extra(texts), config.max_extra_texts, config.seed),
            texts[texts["benchmark"] & (texts["part"] != "train")],
            *(
                _sample(rows, config.max_slice_texts, config.seed)
                for _, rows in texts[~texts["benchmark"] & (texts["part"] == "test")].groupby("source")
            ),
        ]
    ).reset_index(drop=True)
    _check(texts)
    return texts[["text", "normalised", "label", "source", "benchmark", "part"]]


def _extra(texts: pd.DataFrame) -> pd.DataFrame:
    """Training texts of other sources; one that has no neutral texts would teach that nothing is neutral."""
    complete = texts.groupby("source")["label"].transform("nunique") == len(LABELS)
    return texts[~texts["benchmark"] & (texts["part"] == "train") & complete]


def _sample(texts: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    return texts.iloc[first_by_hash(texts["key"].tolist(), most, seed)]


def _check(texts: pd.DataFrame) -> None:
    for part in ("train", "validation", "test"):
        rows = texts.loc[texts["benchmark"] & (texts["part"] == part), "label"]
        counts = np.bincount(rows, minlength=len(LABELS))
        if counts.min() < MIN_TEXTS:
            label = LABELS[int(counts.argmin())]
            raise MediaReviewError(
                f"The {part} part has {counts.min()} {label} reviews; at least {MIN_TEXTS} of each label are needed.",
                "Ingest more labelled reviews: mediareview ingest reviews PATH.",
            )
