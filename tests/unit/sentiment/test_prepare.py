import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.sentiment.config import LABELS, Config
from components.sentiment.load import prepare
from components.sentiment.train import class_weights
from components.texts.split import text_key
from mediareview.errors import MediaReviewError

CONFIG = Config.profile("quick")


def reviews(rows: int = 600, source: str = "vader-movie", words: str = "snippet") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "review_id": [f"{source}:{n}" for n in range(rows)],
            "text": [f"A {words} number {n}." for n in range(rows)],
            "sentiment": [LABELS[n % 3] for n in range(rows)],
            "split": None,
            "source": source,
        }
    )


def keys(texts: pd.DataFrame, part: str) -> set[str]:
    return {text_key(text) for text in texts.loc[texts["part"] == part, "normalised"]}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 100))
def test_no_text_is_in_two_parts_however_it_is_written(seed):
    twice = pd.concat([reviews(1200), reviews(1200).assign(text=lambda rows: rows["text"].str.upper() + "!!")])
    texts = prepare(twice, CONFIG.model_copy(update={"seed": seed}))
    train, validation, test = (keys(texts, part) for part in ("train", "validation", "test"))
    assert len(texts) == 1200
    assert not train & test
    assert not validation & test
    assert not train & validation


def test_another_source_with_the_same_texts_leaks_nothing():
    other = reviews(source="rotten-tomatoes").assign(sentiment="positive")
    config = CONFIG.model_copy(update={"max_extra_texts": 1000})
    texts = prepare(pd.concat([other, reviews()]), config)
    assert set(texts["source"]) == {"vader-movie"}
    assert np.bincount(texts["label"]).tolist() == [200, 200, 200]


def test_a_source_without_neutral_texts_is_not_learnt_from_but_tested_on():
    binary = reviews(300, "stars", "starred").assign(sentiment=lambda rows: ["positive", "negative"] * 150)
    config = CONFIG.model_copy(update={"max_extra_texts": 1000})
    texts = prepare(pd.concat([binary, reviews(300, "other", "foreign"), reviews()]), config)
    assert set(texts.loc[texts["part"] == "train", "source"]) == {"vader-movie", "other"}
    assert "stars" in set(texts.loc[texts["part"] == "test", "source"])


def test_a_published_split_is_kept():
    published = reviews().assign(split=["train"] * 500 + ["test"] * 100)
    texts = prepare(published, CONFIG)
    assert (texts["part"] == "test").sum() == 100
    assert set(texts.loc[texts["part"] == "test", "text"]) == set(published["text"][500:])


def test_without_the_benchmark_source_all_sources_are_the_benchmark():
    texts = prepare(reviews(source="ours"), CONFIG)
    assert texts["benchmark"].all()


def test_growing_data_move_no_text_from_test_to_training():
    before, after = prepare(reviews(400), CONFIG), prepare(reviews(800), CONFIG)
    assert not keys(before, "test") & keys(after, "train")
    assert not keys(before, "train") & keys(after, "test")


def test_too_few_texts_of_a_label_are_refused_with_its_name():
    few = reviews().assign(sentiment=lambda rows: ["positive"] * 300 + ["negative"] * 295 + ["neutral"] * 5)
    with pytest.raises(MediaReviewError, match="neutral reviews"):
        prepare(few, CONFIG)


def test_class_weights_run_from_plain_to_balanced():
    labels = np.array([0] * 80 + [1] * 10 + [2] * 80)
    assert class_weights(labels, 0).tolist() == [1, 1, 1]
    balanced = class_weights(labels, 1)
    assert balanced[1] / balanced[0] == pytest.approx(8)


def test_an_unknown_profile_is_refused():
    with pytest.raises(MediaReviewError, match="huge"):
        Config.profile("huge")
