import numpy as np
import pandas as pd
import pytest

from components.sentiment.config import Config
from components.sentiment.evaluate import score
from components.sentiment.lexicon import lexicon_labels, lexicon_scores

CONFIG = Config(bootstrap_repetitions=50)


def texts(labels, source="vader-movie"):
    return pd.DataFrame(
        {
            "normalised": ["some words here"] * len(labels),
            "label": labels,
            "source": source,
            "benchmark": [place == "vader-movie" for place in np.broadcast_to(source, len(labels))],
        }
    )


def test_a_perfect_model_scores_one_everywhere():
    truth = np.array([0, 1, 2] * 30)
    metrics = score(texts(truth), truth, np.eye(3)[truth], CONFIG)
    found = {(metric.name, metric.slice): metric.value for metric in metrics}
    assert found["macro_f1", ""] == found["neutral_f1", ""] == found["accuracy", ""] == found["auc", ""] == 1
    assert found["ece", ""] == 0
    assert found["macro_f1", "up to 10 words"] == 1


def test_other_sources_are_slices_and_never_headline():
    truth = np.array([0, 1, 2] * 30)
    source = np.array(["vader-movie"] * 45 + ["vader-tweets"] * 45)
    predicted = np.where(source == "vader-movie", truth, 0)
    found = {(m.name, m.slice): m for m in score(texts(truth, source), predicted, None, CONFIG)}
    assert found["macro_f1", ""].value == 1
    assert found["macro_f1", ""].rows == 45
    assert found["macro_f1", "source vader-tweets"].value == pytest.approx(1 / 6)


def test_the_interval_holds_the_value():
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 300)
    predicted = np.where(random.random(300) < 0.7, truth, random.integers(0, 3, 300))
    for metric in score(texts(truth), predicted, np.eye(3)[predicted], CONFIG):
        if metric.ci_low is not None:
            assert metric.ci_low <= metric.value <= metric.ci_high


def test_the_lexicon_reads_plain_words():
    scores = lexicon_scores(["a wonderful film", "a horrible film", "it is two hours long"])
    assert lexicon_labels(scores).tolist() == [2, 0, 1]
