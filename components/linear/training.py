"""Train a linear model over n-grams with scikit-learn, in the form that serving loads without it."""

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union

from serving.scorers.linear import LinearText, Ngrams

WORDS = Ngrams("word", 1, 2)
CHARACTERS = Ngrams("char", 2, 5)


def fit_linear(
    texts: list[str],
    targets: NDArray[np.floating],
    *,
    multilabel: bool,
    ngrams: tuple[Ngrams, ...] = (WORDS,),
    balanced: bool = False,
    inverse_regularisation: float = 4.0,
    min_texts: int = 2,
    seed: int = 0,
) -> LinearText:
    """Fit TF-IDF (sublinear, L2) and logistic regression.

    Args:
        texts: normalised texts.
        targets: shape [rows] with class numbers, or [rows, labels] with 0, 1 and NaN (not judged) if ``multilabel``.
        multilabel: independent labels instead of exclusive classes.
        ngrams: which n-grams; each kind is normalised on its own.
        balanced: weigh classes inversely to their frequency.
        inverse_regularisation: scikit-learn's ``C``.
        min_texts: leave out n-grams in fewer texts.
        seed: of the solver.
    """
    vectorizers = [
        TfidfVectorizer(
            analyzer="word" if kind.unit == "word" else "char_wb",
            ngram_range=(kind.low, kind.high),
            min_df=min_texts,
            sublinear_tf=True,
            dtype=np.float32,
        )
        for kind in ngrams
    ]
    features = make_union(*vectorizers).fit_transform(texts).tocsr()
    weight = "balanced" if balanced else None

    def fitted(rows: NDArray[np.bool_], values: NDArray[np.floating]) -> LogisticRegression:
        model = LogisticRegression(C=inverse_regularisation, class_weight=weight, max_iter=300, random_state=seed)
        return model.fit(features[rows], values[rows].astype(int))

    if multilabel:
        judged = [~np.isnan(column) for column in targets.T]
        models = [fitted(rows, column) for rows, column in zip(judged, targets.T, strict=True)]
        coefficients = np.concatenate([model.coef_ for model in models])
        intercepts = np.concatenate([model.intercept_ for model in models])
    else:
        model = fitted(np.ones(len(texts), dtype=bool), targets)
        coefficients, intercepts = model.coef_, model.intercept_
        if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes
            coefficients, intercepts = (
                np.concatenate([-coefficients, coefficients]) / 2,
                np.array([-1, 1]) * intercepts / 2,
            )
    return LinearText(
        ngrams=ngrams,
        vocabularies=[
            {str(term): int(column) for term, column in vectorizer.vocabulary_.items()} for vectorizer in vectorizers
        ],
        idf=[vectorizer.idf_.astype(np.float32) for vectorizer in vectorizers],
        coefficients=coefficients.astype(np.float32),
        intercepts=intercepts.astype(np.float32),
    )
