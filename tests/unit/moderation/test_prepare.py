import numpy as np
import pandas as pd
import pytest

from components.moderation.config import Config
from components.moderation.load import FILM_REVIEWS, TEMPLATES, judged_categories, prepare
from components.moderation.train import targets
from components.texts.split import text_key
from mediareview.contracts.moderation import CATEGORIES
from mediareview.errors import MediaReviewError

CONFIG = Config.profile("quick")
REVIEWS = pd.DataFrame({"text": [f"Review number {n} of a film that moved me." for n in range(900)]})


def rows(source: str, category: str, words: str, count: int = 600, **columns) -> pd.DataFrame:
    empty = dict.fromkeys(CATEGORIES)
    verdicts = {"item_id": [f"{source}:{n}" for n in range(count)], "source": source, "label_source": "human"}
    texts = [f"{words} wonderful number {n}" for n in range(count)]
    return pd.DataFrame(
        {"text": texts, **empty, **verdicts, "split": None, category: np.arange(count) % 2 == 0, **columns}
    )


def labels() -> pd.DataFrame:
    comments = rows("comments", "abusive", "comment", split=["train"] * 450 + ["test"] * 150)
    return pd.concat([comments, rows("mails", "spam", "mail")], ignore_index=True)


@pytest.fixture(scope="module")
def texts() -> pd.DataFrame:
    return prepare(labels(), REVIEWS, CONFIG)


def test_no_test_text_is_learnt_from_not_even_disguised(texts):
    keys = texts["normalised"].map(text_key)
    tested = set(keys[texts["part"] == "test"])
    assert not tested & set(keys[texts["part"] != "test"])


def test_the_order_of_rows_in_the_lake_does_not_matter(texts):
    shuffled = prepare(labels().sample(frac=1, random_state=1), REVIEWS.sample(frac=1, random_state=2), CONFIG)
    pd.testing.assert_frame_equal(shuffled, texts)


def test_a_published_test_part_is_taken_whole(texts):
    test = texts[(texts["part"] == "test") & (texts["source"] == "comments")]
    assert len(test) == 150


def test_a_test_text_that_was_also_published_for_training_is_taken_out_there():
    twice = labels()
    twice.loc[0, "text"] = twice.loc[500, "text"].upper()
    prepared = prepare(twice, REVIEWS, CONFIG)
    same = prepared[prepared["normalised"].map(text_key) == text_key(twice.loc[500, "text"])]
    assert same["part"].tolist() == ["test"]


def test_verdicts_of_people_and_assumptions_are_kept_apart(texts):
    assert judged_categories(texts) == ["spam", "abusive"]
    for category in CATEGORIES:
        assert not (texts[category].notna() & texts[f"weak_{category}"].notna()).any()
    assert texts["inappropriate"].isna().all()
    mails = texts[texts["source"] == "mails"]
    assert mails["abusive"].isna().all()
    assert (mails["weak_abusive"] == 0).all()
    film = texts[texts["source"] == FILM_REVIEWS]
    assert film[list(CATEGORIES)].isna().all(axis=None)
    assert (targets(film) == 0).all()


def test_what_is_spam_or_abusive_may_be_inappropriate_too(texts):
    wanted = targets(texts)
    broken = (texts["spam"] == 1) | (texts["abusive"] == 1)
    assert np.isnan(wanted[broken.to_numpy(), CATEGORIES.index("inappropriate")]).all()


def test_only_training_texts_are_disguised(texts):
    tricked = texts["text"].str.contains("[\u0400-\u04ff]|[a-z][.*_][a-z]|[a-z][0-9@$!][a-z]", regex=True)
    assert (tricked & (texts["part"] == "train")).any()
    assert not (tricked & (texts["part"] != "train") & (texts["source"] != TEMPLATES)).any()


def test_what_a_rule_decided_is_learnt_but_not_a_verdict():
    ruled = rows("ruled", "inappropriate", "ruled", label_source="weak")
    prepared = prepare(pd.concat([labels(), ruled]), REVIEWS, CONFIG)
    assert judged_categories(prepared) == ["spam", "abusive"]
    learnt = prepared[(prepared["source"] == "ruled") & (prepared["part"] == "train")]
    assert set(learnt["weak_inappropriate"]) == {0, 1}


def test_verdicts_on_the_third_category_make_it_a_judged_one():
    moderated = rows("queue", "inappropriate", "queued")
    prepared = prepare(pd.concat([labels(), moderated]), REVIEWS, CONFIG)
    assert judged_categories(prepared) == list(CATEGORIES)


def test_too_few_verdicts_are_refused():
    with pytest.raises(MediaReviewError, match="No category has enough labels"):
        prepare(labels().iloc[:30], REVIEWS, CONFIG)
