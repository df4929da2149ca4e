import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from mediareview.text import char_ngrams, word_ngrams

TEXTS = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("ab c\n\t 'é.I"))) | st.text("ab ", max_size=12)


@pytest.mark.parametrize("sizes", [(1, 1), (1, 2), (2, 3)])
@given(text=TEXTS)
def test_word_ngrams_are_those_of_scikit_learn(sizes: tuple[int, int], text: str) -> None:
    analyse = TfidfVectorizer(analyzer="word", ngram_range=sizes).build_analyzer()
    assert sorted(word_ngrams(text, *sizes)) == sorted(analyse(text))


@pytest.mark.parametrize("sizes", [(1, 1), (2, 4), (3, 5)])
@given(text=TEXTS)
def test_character_ngrams_are_those_of_scikit_learn(sizes: tuple[int, int], text: str) -> None:
    analyse = TfidfVectorizer(analyzer="char_wb", ngram_range=sizes).build_analyzer()
    assert sorted(char_ngrams(text, *sizes)) == sorted(analyse(text))
