"""What a moderator may expect of a trained model: minimum functionality, robustness to disguise, no false alarms."""

import numpy as np
import pandas as pd
import pytest

from components.moderation.score import score_file
from mediareview.artifact import load_manifest
from mediareview.text import OBFUSCATIONS, obfuscate

pytestmark = pytest.mark.integration

INSULTS = (
    "you are a stupid idiot, shut up you moron",
    "You are such a pathetic loser, nobody likes you",
    "shut your mouth, you ignorant fool",
    "What a dumb piece of trash you are",
    "go to hell you disgusting moron",
)
REVIEWS = (
    "The pacing is slow, but the ending is worth the wait.",
    "A wonderful, moving film with superb acting.",
    "A dull, lifeless and boring mess of a movie.",
    "The villain is a stupid character, and the plot is idiotic at times.",
    "Great soundtrack, weak script; three stars out of five.",
    "I hated it. The worst film I have seen this year.",
    "My kids loved it and want to see it again.",
    "Bought the DVD last week and watched it twice already.",
)
SPAM = (
    "CLICK HERE for FREE cash now!!! Make money fast, limited time offer, visit http://www.free-money.example",
    "Lose weight fast! Order now, 100% guaranteed, no prescription needed. http://pills.example",
    "Congratulations, you have won $1,000,000! Reply with your bank details to claim your prize now",
)


def actions(trained, texts):
    return [prediction.action for prediction in trained.model.predictions(texts)]


def test_plain_insults_are_held_back(trained):
    assert "allow" not in actions(trained, INSULTS[:1])
    assert actions(trained, INSULTS).count("allow") <= 1


@pytest.mark.parametrize("kind", [*OBFUSCATIONS, "mixed"])
def test_a_disguise_does_not_help(trained, kind):
    disguised = [obfuscate(text, kind, seed=5, share=0.8) for text in INSULTS]
    assert actions(trained, disguised).count("allow") <= 1
    plain, hidden = (trained.model.probabilities(texts)[:, 1] for texts in (INSULTS, disguised))
    assert (plain - hidden).mean() < 0.15


def test_the_insult_of_the_readme_is_held_back_in_disguise(trained):
    (verdict,) = trained.model.predictions(["y0u are a stup1d 1d10t, shut up you m0r0n"])
    assert verdict.action != "allow"
    assert any("read as" in reason and "idiot" in reason for reason in verdict.reasons)
    assert any(reason.startswith("abusive: words that count most") for reason in verdict.reasons)


def test_ordinary_reviews_are_allowed_harsh_ones_too(trained):
    assert actions(trained, REVIEWS).count("allow") >= len(REVIEWS) - 1


def test_spam_is_held_back_and_is_not_called_abuse(trained):
    assert actions(trained, SPAM).count("allow") <= 1
    probabilities = trained.model.probabilities(SPAM)
    assert (probabilities[:, 0] > probabilities[:, 1]).all()


def test_names_and_links_change_little(trained):
    for texts in (INSULTS, REVIEWS):
        plain = trained.model.probabilities(texts)
        named = trained.model.probabilities([f"Anna: {text}" for text in texts])
        assert np.abs(plain - named).mean() < 0.08


def test_an_insult_that_is_added_raises_the_probability_of_abuse(trained):
    plain, worse = (
        trained.model.probabilities(texts)[:, 1] for texts in (REVIEWS, [f"{t} You stupid moron." for t in REVIEWS])
    )
    assert (worse > plain).all()


@pytest.mark.parametrize("before", [0, 10, 20])
def test_an_insult_is_found_wherever_it_hides_in_a_long_text(trained, before):
    sentence = "The story follows a family through the seasons of a year in the country. "
    long = sentence * before + "you are a stupid idiot, shut up you moron. " + sentence * (20 - before)
    calm, rude = trained.model.probabilities([sentence * 20, long])[:, 1]
    assert calm < 0.2
    assert rude > calm + 0.1


def test_it_beats_the_baselines_and_says_apart_what_nobody_judged(trained):
    candidate, *baselines = trained.evaluation.scores
    assert [baseline.name for baseline in baselines] == ["tfidf-logistic", "tfidf-char-logistic"]
    for baseline in baselines:
        assert candidate.value("macro_auc") > baseline.value("macro_auc")
        assert candidate.value("auc_abusive") > baseline.value("auc_abusive")
    assert candidate.value("flagged_abusive", "film reviews") < 0.05
    assert not [m for m in candidate.metrics if "inappropriate" in m.name and not m.slice]
    assert [m for m in candidate.metrics if m.name == "auc_inappropriate" and "generated" in m.slice]
    assert {m.slice for m in candidate.metrics if m.name == "auc_abusive"} >= {
        f"disguised: {kind}" for kind in (*OBFUSCATIONS, "mixed")
    }


def test_what_nobody_judged_never_blocks_and_the_card_says_so(trained):
    manifest = load_manifest(trained.models / "candidate", verify=True)
    assert manifest.settings["thresholds"]["inappropriate"]["block"] is None
    assert "nobody judged" in manifest.card.labels
    assert any("never blocks" in limit for limit in manifest.card.limits)


def test_foreign_labels_are_scored(trained, tmp_path):
    rows = pd.DataFrame({"comment": [*INSULTS, *REVIEWS], "insult": [1] * len(INSULTS) + [0] * len(REVIEWS)})
    rows.to_csv(tmp_path / "comments.csv", index=False)
    found = {
        metric.name: metric.value for metric in score_file(trained.models / "candidate", tmp_path / "comments.csv")
    }
    assert found["auc_abusive"] > 0.9
    assert found["macro_auc"] == found["auc_abusive"]
    assert not any("spam" in name for name in found)
