import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediareview.artifact import Manifest, save_manifest
from mediareview.errors import MediaReviewError
from mediareview.text import NormaliserSettings
from serving.scorers import load_scorer
from serving.scorers.linear import LinearText, Ngrams
from serving.scorers.text import (
    LONG_WORDS,
    MAX_PASSAGES,
    PASSAGE_STEP,
    PASSAGE_WORDS,
    TextClassifier,
    TextSettings,
    Thresholds,
    passages,
)

WORDS = {"good": 0, "dull": 1, "idiot": 2, "pills": 3, "nude": 4}


def artifact(directory, name, coefficients, **settings):
    size = len(coefficients)
    LinearText(
        ngrams=(Ngrams("word", 1, 1),),
        vocabularies=[WORDS],
        idf=[np.ones(len(WORDS), np.float32)],
        coefficients=np.array(coefficients, dtype=np.float32),
        intercepts=np.full(size, -2 if name == "moderation" else 0, np.float32),
    ).save(directory / "model.npz")
    manifest = Manifest(name=name, variety="tfidf-logistic", settings=TextSettings(**settings).model_dump(mode="json"))
    save_manifest(directory, manifest)
    return TextClassifier.load(directory)


@pytest.fixture(scope="module")
def sentiment(tmp_path_factory):
    return artifact(
        tmp_path_factory.mktemp("sentiment"),
        "sentiment",
        [[-4, 4, 0, 0, 0], [0, 0, 0, 0, 0], [4, -4, 0, 0, 0]],
        labels=["negative", "neutral", "positive"],
    )


@pytest.fixture(scope="module")
def moderation(tmp_path_factory):
    return artifact(
        tmp_path_factory.mktemp("moderation"),
        "moderation",
        [[0, 0, 0, 6, 0], [0, 0, 6, 0, 0], [0, 0, 0, 0, 6]],
        labels=["spam", "abusive", "inappropriate"],
        normaliser=NormaliserSettings(deobfuscate=True),
        worst_passage=["abusive"],
        thresholds={
            "spam": Thresholds(review=0.5),
            "abusive": Thresholds(review=0.5, block=0.9),
            "inappropriate": Thresholds(review=0.5),
        },
    )


def test_the_label_is_the_most_probable_one(sentiment):
    good, dull, fact = sentiment.predictions(["A good film", "A dull film", "A film"])
    assert (good.label, dull.label) == ("positive", "negative")
    assert max(fact.scores.values()) == pytest.approx(1 / 3)


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=6))
def test_any_text_gets_probabilities_that_do_not_depend_on_its_neighbours(sentiment, moderation, texts):
    probabilities = sentiment.probabilities(texts)
    assert probabilities.shape == (len(texts), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), np.ones(len(texts)), atol=1e-5)
    for text, row in zip(texts, probabilities, strict=True):
        np.testing.assert_allclose(sentiment.probabilities([text])[0], row, atol=1e-6)
    assert all(0 <= value <= 1 for item in moderation.predictions(texts) for value in item.categories.values())


@pytest.mark.parametrize("text", ["", "   \n", "\u200b\u200b", "<br/>"])
def test_an_empty_text_is_neutral_and_breaks_no_rule(sentiment, moderation, text):
    assert sentiment.predictions([text])[0].scores == {"negative": 0, "neutral": 1, "positive": 0}
    (verdict,) = moderation.predictions([text])
    assert (verdict.action, verdict.reasons) == ("allow", [])
    assert set(verdict.categories.values()) == {0}


def test_the_action_follows_from_the_thresholds_and_the_reasons_say_so(moderation):
    fine, insult, spam = moderation.predictions(["A good film", "You idiot", "Cheap pills"])
    assert (fine.action, fine.reasons) == ("allow", [])
    assert insult.action == "block"
    assert insult.reasons == [
        "abusive: 0.98 reaches 0.90, from which on we block",
        "abusive: words that count most: idiot",
    ]
    # As sure as the insult, but nothing is blocked in this category.
    assert spam.action == "review"


def test_the_severest_action_wins(moderation):
    (verdict,) = moderation.predictions(["idiot idiot idiot idiot pills"])
    assert verdict.action == "block"
    assert any(reason.startswith("spam") for reason in verdict.reasons)


def test_disguises_are_undone_and_named(moderation):
    leet, hidden = moderation.predictions(["You 1d10t", "You id\u200biot"])
    assert leet.action == hidden.action == "block"
    assert "disguised letters, read as: idiot" in leet.reasons
    assert "invisible characters were removed" in hidden.reasons


def test_the_worst_passage_of_a_long_text_decides_where_it_should(moderation):
    # The many known words around it outweigh an insult in the text as a whole, not in its own passage.
    around, near = "good dull " * 100, "some other words " * 30
    insult, advert = moderation.predictions([f"{around} {near} {word} {near} {around}" for word in ("idiot", "pills")])
    assert insult.categories["abusive"] > 0.9
    assert insult.action == "block"
    assert advert.categories["spam"] < 0.3
    assert advert.action == "allow"


@given(st.integers(0, 2000))
def test_passages_overlap_and_leave_no_word_out(count):
    words = [str(number) for number in range(count)]
    found = passages(" ".join(words))
    if count <= LONG_WORDS:
        assert found == []
    else:
        covered = {word for passage in found for word in passage.split()}
        readable = PASSAGE_STEP * (MAX_PASSAGES - 1) + PASSAGE_WORDS
        assert covered == set(words[:readable])
        assert all(len(passage.split()) <= PASSAGE_WORDS for passage in found)


def test_parts_are_combined_as_the_settings_say(tmp_path, sentiment):
    swapped = np.eye(3)[::-1].tolist()
    model = artifact(
        tmp_path,
        "sentiment",
        [[-4, 4, 0, 0, 0], [0, 0, 0, 0, 0], [4, -4, 0, 0, 0]],
        labels=["negative", "neutral", "positive"],
        weights={"linear": swapped},
        bias=[0.0, 0.0, 0.0],
    )
    assert model.predictions(["A good film"])[0].label == "negative"
    np.testing.assert_allclose(model.logits(["good"])["linear"], sentiment.logits(["good"])["linear"])


def test_an_artifact_without_weights_or_of_another_kind_is_refused(tmp_path):
    save_manifest(tmp_path, Manifest(name="sentiment", variety="encoder", settings={"labels": ["a"]}))
    with pytest.raises(MediaReviewError, match=r"neither model\.onnx nor model\.npz"):
        load_scorer(tmp_path)
    save_manifest(tmp_path, Manifest(name="weather", variety="encoder"))
    with pytest.raises(MediaReviewError, match="weather"):
        load_scorer(tmp_path)
