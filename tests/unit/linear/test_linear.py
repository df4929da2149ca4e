import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union

from components.linear import fit_linear
from components.linear.training import WORDS
from serving.scorers.linear import LinearText, Ngrams

TEXTS = [
    "a wonderful film, truly wonderful",
    "wonderful acting and a moving story",
    "a dull and lifeless film",
    "dull, dull, dull: a lifeless story",
    "it is a film of two hours",
    "the story takes place in two towns",
] * 4
LABELS = np.array([2, 2, 0, 0, 1, 1] * 4)
CHARACTERS = Ngrams("char", 2, 4)


@pytest.fixture(scope="module")
def model() -> LinearText:
    return fit_linear(TEXTS, LABELS, multilabel=False, ngrams=(WORDS, CHARACTERS))


@pytest.fixture(scope="module")
def reference():
    """The same model in scikit-learn alone."""
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=2, sublinear_tf=True)
    regression = LogisticRegression(C=4.0, max_iter=300, random_state=0)
    return make_pipeline(make_union(words, characters), regression).fit(TEXTS, LABELS)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["a", "wonderful,", "dull", "film!", "it's", "two-hour", "STORY", "über", "x", "12"]),
        max_size=12,
    )
)
def test_it_computes_what_scikit_learn_computes(model, reference, words):
    text = " ".join(words)
    np.testing.assert_allclose(model.logits([text]), reference.decision_function([text]), atol=1e-4)


def test_a_saved_model_scores_alike_and_holds_nothing_executable(model, tmp_path):
    model.save(tmp_path / "model.npz")
    loaded = LinearText.load(tmp_path / "model.npz")
    np.testing.assert_allclose(loaded.logits(TEXTS[:6]), model.logits(TEXTS[:6]), atol=5e-3)
    np.savez(tmp_path / "evil.npz", ngrams=np.array([print], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        LinearText.load(tmp_path / "evil.npz")


def test_each_label_learns_from_its_own_verdicts_and_leaves_out_the_unjudged():
    praise = (LABELS == 2).astype(float)
    complaint = np.where(np.arange(len(TEXTS)) < 12, (LABELS == 0).astype(float), np.nan)
    model = fit_linear(TEXTS, np.stack([praise, complaint], axis=1), multilabel=True)
    (praised, not_complained), (not_praised, complained) = model.logits(["a wonderful film", "a dull film"])
    assert praised > not_praised
    assert complained > not_complained


def test_two_classes_get_one_logit_each():
    two = fit_linear(TEXTS, (LABELS == 2).astype(int), multilabel=False)
    other, praise = two.logits(["a wonderful film"])[0]
    assert praise > other


def test_the_evidence_names_the_words_that_speak_for_a_label(model):
    assert model.evidence("a lifeless film of two hours", label=0)[0] == "lifeless"
    assert model.evidence("a wonderful film of two hours", label=2)[0] == "wonderful"


def test_a_text_of_unknown_words_has_the_intercepts(model):
    np.testing.assert_allclose(model.logits(["ЖЖЖ"])[0], model.intercepts)
    assert model.evidence("ЖЖЖ", label=0) == []
