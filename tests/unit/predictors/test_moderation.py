"""What an author did before decides whether a person looks at an innocent text."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from mediareview.artifact import Manifest
from mediareview.contracts.prediction import ModerationPrediction, TextRequest
from mediareview.settings import Settings
from serving.online_features import Author, OnlineFeatures
from serving.predictors.moderation import ModerationPredictor

CATEGORIES = {"spam": 0.125, "abusive": 0.25, "inappropriate": 0.0}
AUTHORS = {
    "offender": (4, 5),
    "newcomer": (2, 2),
    "mostly-fine": (2, 5),
    "at-the-limit": (2, 4),
    "never-judged": (0, 0),
}
numbers = itertools.count()


class Classifier:
    """Blocks what contains "idiot", allows the rest."""

    def predictions(self, texts: Sequence[str]) -> list[ModerationPrediction]:
        def action(text: str) -> Literal["allow", "block"]:
            return "block" if "idiot" in text else "allow"

        return [ModerationPrediction(action=action(text), categories=CATEGORIES, reasons=["why"]) for text in texts]


class Features(OnlineFeatures):
    def __init__(self, home: Path) -> None:
        super().__init__(Settings(home=home))
        self.asked: list[set[str]] = []

    def authors(self, author_ids: Iterable[str]) -> dict[str, Author]:
        self.asked.append(set(author_ids))
        known = {name: AUTHORS[name] for name in set(author_ids) & set(AUTHORS)}
        return {name: Author(400.0, 9, 1, judged, flagged) for name, (flagged, judged) in known.items()}


@pytest.fixture
def features(tmp_path: Path) -> Features:
    return Features(tmp_path)


@pytest.fixture
def moderation(features: Features) -> ModerationPredictor:
    manifest = Manifest(name="moderation", variety="tiny", version="7")
    limits: Any = {"max_batch_size": 8, "max_wait_s": 0.0, "max_queue": 1000}
    return ModerationPredictor(f"moderation-{next(numbers)}", manifest, Classifier(), features, **limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("author_id", "action"),
    [
        ("offender", "review"),
        ("at-the-limit", "review"),
        ("newcomer", "allow"),
        ("mostly-fine", "allow"),
        ("never-judged", "allow"),
        ("unknown", "allow"),
        (None, "allow"),
    ],
)
def test_only_a_repeat_offenders_innocent_text_goes_to_review(
    moderation: ModerationPredictor, author_id: str | None, action: str
) -> None:
    (prediction,) = moderation.score([TextRequest(text="A fine film.", author_id=author_id)])
    assert isinstance(prediction, ModerationPrediction)
    assert prediction.action == action
    assert ("author: " in " ".join(prediction.reasons)) == (action == "review")


def test_the_author_is_named_as_evidence_and_changes_neither_probabilities_nor_a_block(
    moderation: ModerationPredictor,
) -> None:
    (prediction,) = moderation.score([TextRequest(text="idiot", author_id="offender")])
    assert prediction == ModerationPrediction(
        action="block", categories=CATEGORIES, reasons=["why", "author: 4 of 5 judged texts were flagged"]
    )


def test_a_batch_asks_the_store_once_and_texts_without_authors_not_at_all(
    moderation: ModerationPredictor, features: Features
) -> None:
    features.asked.clear()
    moderation.score([TextRequest(text="Hm.", author_id=name) for name in ("offender", "newcomer", "offender")])
    moderation.score([TextRequest(text="Hm.")])
    assert features.asked == [{"offender", "newcomer"}]
