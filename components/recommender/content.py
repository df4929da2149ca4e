"""What titles are made of, as dense vectors: genres, people, keywords, words, years and votes."""

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from components.recommender.config import Config

Floats = NDArray[np.float32]

FIELDS = {"genres": 1.0, "directors": 0.7, "writers": 0.4, "cast": 0.6, "keywords": 0.6}
"""List columns of the catalogue and their weight beside one another."""
WORDS_WEIGHT = 0.4
CAST_SIZE = 12
NUMERIC_FEATURES = 4


def content_features(catalogue: pd.DataFrame, config: Config) -> Floats:
    """Return content features of every title.

    TF-IDF of each field, weighted and reduced together by truncated SVD (latent semantic analysis), scaled to unit
    length; after them the year, the logarithm of the votes at the source, and whether each is known.

    Args:
        catalogue: columns of the table ``catalogue``; missing ones count as empty.
        config: ``content_dimensions``, ``title_embeddings`` and ``seed``.

    Returns:
        Features, float32 [n_titles, content_dimensions + NUMERIC_FEATURES]; titles without metadata are zeros.
    """
    blocks = [weight * _tfidf(_names(catalogue, field)) for field, weight in FIELDS.items()]
    text = _text(catalogue)
    blocks.append(WORDS_WEIGHT * _tfidf([_words(value) for value in text]))
    if config.title_embeddings:
        blocks.append(sp.csr_matrix(_embeddings(text, config)))
    return np.hstack([_reduced(sp.hstack(blocks).tocsr(), config), _numeric(catalogue)])


def similarity_vectors(features: Floats) -> Floats:
    """Return the part of the features that cosine similarity uses, without year and votes."""
    return np.ascontiguousarray(features[:, :-NUMERIC_FEATURES])


def predicted_factors(
    features: Floats, factors: Floats, counts: NDArray[np.floating], rated: NDArray[np.intp]
) -> Floats:
    """Predict the collaborative factors of every title from its content.

    Ridge regression on the rated titles, weighted by their number of ratings (Gantner et al., Learning
    Attribute-to-Feature Mappings for Cold-Start Recommendations, 2010); the penalty is chosen by leave-one-out.

    Args:
        features: content features of all titles, [n_titles, n_features].
        factors: learned factors of the rated titles, [n_rated, n_factors].
        counts: ratings of the rated titles, [n_rated].
        rated: numbers of the rated titles, [n_rated].

    Returns:
        Factors, float32 [n_titles, n_factors].
    """
    from sklearn.linear_model import RidgeCV

    if len(rated) < 5:
        return np.zeros((len(features), factors.shape[1]), np.float32)
    inputs = _expanded(features)
    model = RidgeCV(alphas=np.logspace(-1, 4, 11)).fit(inputs[rated], factors, sample_weight=np.sqrt(counts))
    return np.asarray(model.predict(inputs), dtype=np.float32)


def _expanded(features: Floats) -> Floats:
    """Add squares of year and votes: neither acts linearly."""
    numeric = features[:, -NUMERIC_FEATURES:]
    return np.hstack([features, numeric[:, :2] ** 2, numeric[:, :1] * numeric[:, 1:2]])


def _names(catalogue: pd.DataFrame, field: str) -> list[list[str]]:
    if field not in catalogue:
        return [[] for _ in range(len(catalogue))]
    return [[] if value is None else [str(name) for name in value][:CAST_SIZE] for value in catalogue[field]]


def _text(catalogue: pd.DataFrame) -> list[str]:
    plots = catalogue["plot"] if "plot" in catalogue else pd.Series("", index=catalogue.index)
    return [f"{title}. {plot or ''}" for title, plot in zip(catalogue["title"], plots.fillna(""), strict=True)]


def _words(text: str) -> list[str]:
    return [word for word in "".join(c if c.isalnum() else " " for c in text.casefold()).split() if len(word) > 3]


def _tfidf(tokens: list[list[str]]) -> sp.csr_matrix:
    """Return TF-IDF rows of unit length; tokens of a single title say nothing about others and are dropped."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer=_identity, min_df=2, max_df=1.0, sublinear_tf=True, dtype=np.float32)
    try:
        return sp.csr_matrix(vectorizer.fit_transform(tokens))
    except ValueError:  # no token is left
        return sp.csr_matrix((len(tokens), 0), dtype=np.float32)


def _identity(tokens: list[str]) -> list[str]:
    return tokens


def _reduced(matrix: sp.csr_matrix, config: Config) -> Floats:
    from sklearn.decomposition import TruncatedSVD

    result = np.zeros((matrix.shape[0], config.content_dimensions), np.float32)
    dimensions = min(config.content_dimensions, min(matrix.shape) - 1)
    if dimensions >= 1:
        reduced = TruncatedSVD(dimensions, random_state=config.seed).fit_transform(matrix)
        result[:, :dimensions] = reduced
    norms = np.linalg.norm(result, axis=1, keepdims=True)
    return np.asarray(result / np.maximum(norms, 1e-9), dtype=np.float32)


def _numeric(catalogue: pd.DataFrame) -> Floats:
    years, votes = _numbers(catalogue, "year"), _numbers(catalogue, "votes")
    scaled = [(years - 1980) / 20, (np.log1p(votes) - 8) / 3]
    columns = [np.clip(np.nan_to_num(values), -5, 5) for values in scaled]
    return np.column_stack([*columns, ~np.isnan(years), ~np.isnan(votes)]).astype(np.float32)


def _numbers(catalogue: pd.DataFrame, field: str) -> NDArray[np.float64]:
    if field not in catalogue:
        return np.full(len(catalogue), np.nan)
    return np.asarray(pd.to_numeric(catalogue[field], errors="coerce"), dtype=np.float64)


def _embeddings(texts: list[str], config: Config) -> Floats:
    """Return mean-pooled, unit-length embeddings of titles and plots by the pre-trained encoder."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    from components.preprocessing import encoder_directory
    from mediareview.console import console
    from mediareview.settings import get_settings

    torch.set_num_threads(config.threads)
    directory = encoder_directory(get_settings())
    tokenizer, network = AutoTokenizer.from_pretrained(directory), AutoModel.from_pretrained(directory).eval()
    order = np.argsort([len(text) for text in texts], kind="stable")
    result = np.zeros((len(texts), network.config.hidden_size), np.float32)
    with torch.inference_mode(), console.status("Embedding titles"):
        for start in range(0, len(order), 128):
            rows = order[start : start + 128]
            batch = tokenizer(
                [texts[row] for row in rows], padding=True, truncation=True, max_length=64, return_tensors="pt"
            )
            mask = batch["attention_mask"].unsqueeze(-1)
            states = network(**batch).last_hidden_state
            pooled = (states * mask).sum(1) / mask.sum(1)
            result[rows] = torch.nn.functional.normalize(pooled).numpy()
    return result
