"""What a title is about, in a few words taken from its plot and its reviews."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from components.preprocessing.catalogue import link_names
from components.preprocessing.text import text_terms
from mediareview.settings import Settings

KEYWORDS = 12
"""Most keywords a title gets."""
WORDS_PER_TITLE = 150
"""How much of plot and reviews is read, in words: tagging is what takes time, and more adds little."""
PARTS_OF_SPEECH = ("NOUN", "ADJ", "VERB")
"""Names are left out: people have their own columns."""
MIN_TITLES = 2
"""A keyword that no other title has cannot relate titles."""
MAX_TITLE_SHARE = 0.2
"""A keyword of more titles than that says nothing; ``film`` and ``movie`` are such."""


def title_keywords(
    titles: Sequence[Mapping[str, Any]], reviews: Iterable[Mapping[str, Any]], settings: Settings
) -> dict[str, list[str]]:
    """Return keywords by media id, best first by TF-IDF (Salton and Buckley, 1988); titles without text have none.

    Keywords describe the title and are not a behaviour feature: they read all reviews, whenever they were written.

    Args:
        titles: rows of the catalogue.
        reviews: ``text``, and ``media_id`` or the ``title`` by name; those that name no single title are not read.
        settings: where results are cached.
    """
    texts = _texts(titles, reviews)
    terms = text_terms(list(texts.values()), settings)
    counts = {
        media_id: Counter(term.lemma for term in found if term.pos in PARTS_OF_SPEECH and len(term.lemma) > 2)
        for media_id, found in zip(texts, terms, strict=True)
    }
    spread = Counter(lemma for counter in counts.values() for lemma in counter)
    most = max(MIN_TITLES, MAX_TITLE_SHARE * len(counts))
    weights = {
        lemma: math.log(len(counts) / titles_with)
        for lemma, titles_with in spread.items()
        if MIN_TITLES <= titles_with <= most
    }
    keywords = {}
    for media_id, counter in counts.items():
        scored = {lemma: (1 + math.log(n)) * weights[lemma] for lemma, n in counter.items() if lemma in weights}
        best = sorted(scored, key=lambda lemma: (-scored[lemma], lemma))[:KEYWORDS]
        if best:
            keywords[media_id] = best
    return keywords


def _texts(titles: Sequence[Mapping[str, Any]], reviews: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Join plot and reviews of each title that has either, up to ``WORDS_PER_TITLE``."""
    parts: dict[str, list[str]] = defaultdict(list)
    known = {row["media_id"] for row in titles}
    for row in titles:
        if row["plot"]:
            parts[row["media_id"]].append(row["plot"])
    reviews = list(reviews)
    by_name = link_names({review["title"] for review in reviews if review["title"]}, titles)
    for review in reviews:
        media_id = review["media_id"] if review["media_id"] in known else by_name.get(review["title"] or "")
        if media_id:
            parts[media_id].append(review["text"])
    return {media_id: " ".join(" ".join(found).split()[:WORDS_PER_TITLE]) for media_id, found in parts.items()}
