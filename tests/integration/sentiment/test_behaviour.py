"""What a reader may expect of a trained sentiment model: minimum functionality, invariance, direction."""

import numpy as np
import pytest

pytestmark = pytest.mark.integration

PRAISE = (
    "A wonderful, moving film with superb acting.",
    "Brilliant from start to finish, I loved it.",
    "A delightful comedy full of charm and wit.",
    "An excellent story, beautifully told.",
    "One of the best films of the year.",
    "Funny, smart and touching.",
    "A powerful and unforgettable performance.",
    "I enjoyed every minute of this great movie.",
)
COMPLAINTS = (
    "A dull, lifeless and boring mess.",
    "Terrible acting and an awful script.",
    "A complete waste of time and money.",
    "The worst film I have ever seen.",
    "Painfully unfunny and far too long.",
    "A stupid, pointless and tedious movie.",
    "Bad dialogue, bad direction, bad film.",
    "I hated this pathetic, ugly picture.",
)
NEGATIVE, NEUTRAL, POSITIVE = range(3)


def labels(trained, texts):
    return [prediction.label for prediction in trained.model.predictions(texts)]


def test_plain_praise_and_plain_complaint_are_told_apart(trained):
    assert labels(trained, PRAISE).count("positive") >= len(PRAISE) - 1
    assert labels(trained, COMPLAINTS).count("negative") >= len(COMPLAINTS) - 1


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.upper(),
        lambda text: f"Anna Berger writes: {text}",
        lambda text: f"{text} https://example.org/reviews/12345",
        lambda text: f"<p>{text}</p>",
        lambda text: text.replace("film", "movie"),
        lambda text: text.replace("ie", "ei"),
        lambda text: text.replace(".", "!!!!"),
    ],
    ids=["capitals", "name", "link", "markup", "synonym", "typo", "signs"],
)
def test_what_does_not_matter_changes_no_label(trained, change):
    texts = [*PRAISE, *COMPLAINTS]
    before, after = labels(trained, texts), labels(trained, [change(text) for text in texts])
    changed = sum(one != other for one, other in zip(before, after, strict=True))
    assert changed <= 2


def test_a_verdict_that_is_added_moves_the_probability_its_way(trained):
    facts = [
        "The film is set in Paris in the year 1968.",
        "Two brothers inherit a farm.",
        "The story is about a teacher and his class.",
        "It runs for two hours and ten minutes.",
        "The director also wrote the script.",
    ]
    plain = trained.model.probabilities(facts)
    worse = trained.model.probabilities([f"{text} It is terrible." for text in facts])
    better = trained.model.probabilities([f"{text} It is wonderful." for text in facts])
    assert (worse[:, NEGATIVE] > plain[:, NEGATIVE]).all()
    assert (better[:, POSITIVE] > plain[:, POSITIVE]).all()


def test_a_verdict_at_the_end_of_a_long_review_is_heard(trained):
    story = "The story follows a family through the seasons of a year in the country. " * 40
    good, bad = trained.model.probabilities(
        [f"{story} {verdict}" for verdict in ("A wonderful, superb, moving film.", "A terrible, dull, awful film.")]
    )
    assert good[POSITIVE] > bad[POSITIVE] + 0.2
    assert bad[NEGATIVE] > good[NEGATIVE] + 0.2


def test_confidence_is_worth_its_name(trained):
    candidate = trained.evaluation.candidate
    assert candidate.value("ece") < 0.1
    sure = trained.model.probabilities(PRAISE).max(axis=1).mean()
    unsure = trained.model.probabilities(["It is a film.", "Some like it, some do not."]).max(axis=1).mean()
    assert sure > unsure + 0.1


def test_scores_do_not_depend_on_the_batch(trained):
    together = trained.model.probabilities([*PRAISE, *COMPLAINTS])
    alone = np.concatenate([trained.model.probabilities([text]) for text in (*PRAISE, *COMPLAINTS)])
    # Dynamic int8 chooses its scales per batch, so that close is what can be asked for.
    np.testing.assert_allclose(together, alone, atol=0.1)
