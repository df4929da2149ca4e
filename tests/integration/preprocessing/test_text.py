from pathlib import Path

import numpy as np
import pytest

from components.preprocessing.embeddings import embed_texts, embed_titles
from components.preprocessing.encoder import encoder_directory
from components.preprocessing.text import review_terms, text_terms
from mediareview.errors import MediaReviewError
from mediareview.settings import Settings

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("home"))


def test_words_become_lemmas_without_stop_words_and_signs(settings: Settings) -> None:
    (terms, nothing) = text_terms(["The actors were <b>running</b> through 3 burning houses!", ""], settings)
    assert [term.lemma for term in terms] == ["actor", "run", "burn", "house"]
    assert terms[0].pos == "NOUN"
    assert nothing == []


def test_terms_of_a_review_are_counted(settings: Settings) -> None:
    rows = list(review_terms([{"review_id": "r", "text": "Good film, good actors, bad film"}], settings))
    assert {(row["lemma"], row["count"]) for row in rows} == {("good", 2), ("film", 2), ("actor", 1), ("bad", 1)}


def test_similar_texts_have_similar_embeddings_in_the_order_of_the_texts(settings: Settings) -> None:
    texts = [
        "A spaceship fights an empire among the stars, and it takes a long time to win.",
        "Cake.",
        "A galactic war.",
    ]
    vectors = embed_texts(texts, settings)
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[1] + 0.2
    np.testing.assert_allclose(embed_texts(texts[::-1], settings)[::-1], vectors)


def test_unchanged_texts_are_not_embedded_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    title = {"media_id": "1", "title": "Alien", "year": 1979, "genres": ["Horror"], "directors": [], "plot": None}
    ids, first = embed_titles([title], settings)
    monkeypatch.setattr("components.preprocessing.embeddings._Encoder", None)
    assert ids == ["1"]
    np.testing.assert_array_equal(embed_titles([title], settings)[1], first)
    with pytest.raises(TypeError):
        embed_titles([title | {"plot": "A creature."}], settings)


def test_a_directory_that_is_no_encoder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(MediaReviewError, match=r"tokenizer\.json is missing"):
        encoder_directory(Settings(encoder_path=str(tmp_path)))
