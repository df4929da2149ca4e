"""The first two steps: copy the pinned rows out of the lake, then normalise, label and split them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from components.moderation.config import Config
from components.moderation.templates import generate
from components.texts.split import first_by_hash, split_by_text, text_key
from mediareview.console import console
from mediareview.contracts.moderation import CATEGORIES
from mediareview.errors import MediaReviewError
from mediareview.lake import Lake
from mediareview.text import OBFUSCATIONS, Normaliser, NormaliserSettings, obfuscate

TEXTS = "texts.parquet"
NORMALISER = NormaliserSettings(deobfuscate=True)
FILM_REVIEWS, TEMPLATES = "film-reviews", "templates"
"""Sources of texts that nobody judged."""
LONG_WORDS = 60
MIN_VERDICTS = 10
"""Least verdicts of each kind, by people, in each part, for a category to be learnt from them."""


def load(lake: Lake, pins: dict[str, int], config: Config, out_dir: Path) -> None:
    """Copy the pinned moderation labels and a sample of the reviews to Parquet files beside ``pins.json``.

    Args:
        lake: where the tables are.
        pins: versions of ``moderation`` and ``reviews``.
        config: how many reviews are needed.
        out_dir: where the files go.
    """
    columns = ["item_id", "text", *CATEGORIES, "label_source", "split", "source"]
    labels = lake.read("moderation", pins["moderation"], columns).to_pandas()
    labels.to_parquet(out_dir / "moderation.parquet", index=False)
    reviews = lake.read("reviews", pins["reviews"], ["text"]).to_pandas().drop_duplicates().reset_index(drop=True)
    # Enough for both parts, whatever the split does.
    wanted = 2 * int((config.train_reviews + config.test_reviews) / min(config.test_share, 1 - config.test_share))
    reviews = reviews.iloc[first_by_hash(reviews["text"].tolist(), wanted, config.seed)]
    reviews.to_parquet(out_dir / "reviews.parquet", index=False)
    (out_dir / "pins.json").write_text(json.dumps(pins, indent=2, sort_keys=True))


def preprocess(data_dir: Path, config: Config, out_dir: Path) -> None:
    """Normalise the texts, add what nobody judged, split, and disguise a share of the training texts.

    Raises:
        MediaReviewError: there are too few labels by people.
    """
    texts = prepare(
        pd.read_parquet(data_dir / "moderation.parquet"), pd.read_parquet(data_dir / "reviews.parquet"), config
    )
    texts.to_parquet(out_dir / TEXTS, index=False)
    (out_dir / "pins.json").write_bytes((data_dir / "pins.json").read_bytes())
    console.print(", ".join(f"{count:,} {part}" for part, count in texts["part"].value_counts().items()) + " texts")


def prepare(labels: pd.DataFrame, reviews: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Return the texts to learn from and to test on.

    Args:
        labels: columns of the moderation table.
        reviews: column ``text``.
        config: shares, sample sizes and seed.

    Returns:
        Columns ``text`` (as written), ``normalised``, ``source``, ``part``, a column per category with 0, 1 or NaN
        (not judged) by people, and a column ``weak_CATEGORY`` with what is learnt where people did not judge: film
        reviews break no rule, templates say themselves, e-mails are not abusive, comments are no spam, and what is
        neither spam nor abusive is not inappropriate.

    Raises:
        MediaReviewError: there are too few labels by people.
    """
    # The lake promises rows, not their order.
    judged = _judged(labels.sort_values("item_id", kind="stable"), config)
    films = pd.DataFrame({"text": reviews["text"].sort_values(), "source": FILM_REVIEWS})
    film_reviews = _split(_with_normalised(films), config)
    known = set(judged["key"])
    film_reviews = film_reviews[~film_reviews["key"].isin(known)]
    film_reviews = pd.concat(
        [
            _sample(film_reviews[film_reviews["part"] != "test"], config.train_reviews, config.seed),
            _sample(film_reviews[film_reviews["part"] == "test"], config.test_reviews, config.seed),
        ]
    )
    texts = pd.concat([judged, film_reviews, _templates(config)], ignore_index=True)
    for category in CATEGORIES:
        if category not in texts:
            texts[category] = np.nan
        texts[category] = texts[category].astype(float)
    texts = _with_weak_labels(texts)
    texts = pd.concat([texts, _disguised(texts, config)], ignore_index=True)
    weak = [f"weak_{category}" for category in CATEGORIES]
    return texts[["text", "normalised", "source", "part", *CATEGORIES, *weak]]


def judged_categories(texts: pd.DataFrame) -> list[str]:
    """Return the categories of which people gave enough verdicts of both kinds in every part."""
    enough = []
    for category in CATEGORIES:
        counts = [
            (texts.loc[texts["part"] == part, category] == verdict).sum()
            for part in ("train", "validation", "test")
            for verdict in (0, 1)
        ]
        if min(counts) >= MIN_VERDICTS:
            enough.append(category)
    return enough


def _judged(labels: pd.DataFrame, config: Config) -> pd.DataFrame:
    human = labels["label_source"].fillna("human") == "human"
    texts = labels[["text", "source", "split", "item_id", *CATEGORIES]].assign(human=human)
    texts["source"] = texts["source"].fillna("")
    texts = _few_enough(texts, config)
    for category in CATEGORIES:
        # What a rule decided is learnt where nobody judged, and never counts in the metrics.
        verdicts = texts[category].astype("float")
        texts[f"weak_{category}"] = verdicts.where(~texts["human"])
        texts[category] = verdicts.where(texts["human"])
    texts = _split(_with_normalised(texts), config)
    published_test = texts["split"] == "test"
    texts.loc[published_test, "part"] = "test"
    texts.loc[(texts["split"] == "train") & (texts["part"] == "test"), "part"] = "train"
    # A published test part keeps even its repetitions; whatever else has one of its texts goes.
    tested = set(texts.loc[published_test, "key"])
    texts = texts[published_test | ~texts["key"].isin(tested)].sort_values(["key", "item_id"], kind="stable")
    texts = texts[(texts["split"] == "test") | ~texts.duplicated("key")]
    unpublished = texts["split"].isna()
    parts = [texts[~unpublished | (texts["part"] == "train")]]
    for _, rows in texts[unpublished & (texts["part"] != "train")].groupby(["source", "part"]):
        most = config.max_held_out_texts
        parts.append(rows if most is None else _sample(rows, most, config.seed))
    texts = pd.concat(parts).drop(columns=["split", "item_id", "human"])
    if not judged_categories(texts):
        raise MediaReviewError(
            "No category has enough labels by people to learn from and to test on.",
            f"At least {MIN_VERDICTS} verdicts of each kind are needed in every part: mediareview ingest moderation.",
        )
    return texts


def _few_enough(texts: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Sample what there is too much of, before anything is done to it."""
    parts = []
    for (_, split), rows in texts.groupby(["source", texts["split"].fillna("")]):
        most = config.max_published_texts if split else config.max_texts
        parts.append(rows if most is None else _sample(rows.assign(key=rows["text"]), most, config.seed))
    return pd.concat(parts)


def _with_normalised(texts: pd.DataFrame) -> pd.DataFrame:
    normalise = Normaliser(NORMALISER)
    texts = texts.assign(normalised=[normalise(text) for text in texts["text"]])
    texts = texts[texts["normalised"] != ""]
    return texts.assign(key=[text_key(text) for text in texts["normalised"]])


def _split(texts: pd.DataFrame, config: Config) -> pd.DataFrame:
    part = split_by_text(texts["key"].tolist(), config.test_share, config.validation_share, config.seed)
    return texts.assign(part=part)


def _sample(texts: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    return texts.iloc[first_by_hash(texts["key"].tolist(), most, seed)]


def _templates(config: Config) -> pd.DataFrame:
    rows = [
        {"text": item.text, "source": TEMPLATES, "weak_inappropriate": float(item.inappropriate), "template": part}
        for part in ("train", "test")
        for item in generate(part, config.template_texts, config.seed)
    ]
    texts = _split(_with_normalised(pd.DataFrame(rows)), config)
    # What a random split would test on serves as validation here: the test has templates of its own.
    texts["part"] = texts["part"].replace("test", "validation").mask(texts["template"] == "test", "test")
    return texts.drop(columns="template")


def _with_weak_labels(texts: pd.DataFrame) -> pd.DataFrame:
    """Fill in what may be assumed where nobody judged; otherwise e-mails would be spam and comments abusive."""
    texts = texts.copy()
    for category in CATEGORIES:
        weak = texts[f"weak_{category}"] if f"weak_{category}" in texts else pd.Series(np.nan, index=texts.index)
        others = [other for other in CATEGORIES if other != category]
        broken = (texts[others] == 1).any(axis=1)
        judged_elsewhere = texts[others].notna().any(axis=1)
        if category == "inappropriate":
            assumed = (texts["source"] == FILM_REVIEWS) | (judged_elsewhere & ~broken)
        else:
            assumed = texts["source"].isin([FILM_REVIEWS, TEMPLATES]) | judged_elsewhere
        texts[f"weak_{category}"] = weak.mask(weak.isna() & assumed, 0.0).where(texts[category].isna())
    return texts


def _disguised(texts: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Return disguised copies of a share of the shorter training texts, where the normaliser does not undo it all."""
    short = texts[(texts["part"] == "train") & (texts["normalised"].str.count(" ") < LONG_WORDS)]
    chosen = _sample(short, round(len(short) * config.augmented_share), config.seed + 1)
    tricks = [*OBFUSCATIONS, "mixed"]
    disguises = [
        obfuscate(text, tricks[number % len(tricks)], config.seed) for number, text in enumerate(chosen["text"])
    ]
    copies = _with_normalised(chosen.assign(text=disguises))
    return copies[copies["normalised"] != chosen["normalised"].reindex(copies.index)]
