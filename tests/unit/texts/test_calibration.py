import numpy as np
import pytest

from components.statistics import expected_calibration_error
from components.statistics.classification import f1_per_class
from components.texts.calibration import calibrate_exclusive, calibrate_independent


def draw(prior: list[float], rows: int, seed: int = 0):
    """Classes and the logits of a model that is right but overconfident."""
    random = np.random.default_rng(seed)
    truth = random.choice(len(prior), rows, p=prior)
    logits = random.normal(size=(rows, len(prior)))
    logits[np.arange(rows), truth] += 1.5
    return truth, 4 * (logits + np.log(prior))


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def test_overconfidence_is_corrected():
    truth, logits = draw([0.4, 0.3, 0.3], 4000)
    fit = calibrate_exclusive({"encoder": logits[:2000]}, truth[:2000], seed=0)
    calibrated = softmax(logits[2000:] @ np.array(fit.weights["encoder"]) + fit.bias)
    before, after = (
        expected_calibration_error(p.max(1), p.argmax(1) == truth[2000:]) for p in (softmax(logits[2000:]), calibrated)
    )
    assert after < before / 3


def test_a_rare_class_is_preferred_only_as_far_as_macro_f1_gains():
    truth, logits = draw([0.46, 0.08, 0.46], 1500)
    fit = calibrate_exclusive({"encoder": logits}, truth, seed=0)
    assert 0 < fit.shift <= 1.5
    scores = logits @ np.array(fit.weights["encoder"])
    plain_bias = np.array(fit.bias) + fit.shift * np.log(np.bincount(truth) / len(truth))
    preferred = f1_per_class(truth, (scores + fit.bias).argmax(1), 3).mean()
    assert preferred > f1_per_class(truth, (scores + plain_bias).argmax(1), 3).mean()


def test_parts_count_as_much_as_they_know():
    truth, logits = draw([0.4, 0.3, 0.3], 600)
    noise = np.random.default_rng(1).normal(size=logits.shape)
    fit = calibrate_exclusive({"encoder": logits, "linear": noise}, truth, seed=0)
    assert np.abs(fit.weights["linear"]).max() < np.abs(fit.weights["encoder"]).max()


def test_each_label_is_calibrated_on_what_was_judged():
    random = np.random.default_rng(0)
    truth = (random.random((3000, 2)) < 0.3).astype(float)
    logits = 5 * (2 * truth - 1 + random.normal(size=truth.shape))
    truth[:1500, 0] = np.nan
    noise = random.normal(size=truth.shape)
    fit = calibrate_independent({"encoder": logits, "linear": noise}, truth)
    combined = fit.bias + logits @ np.array(fit.weights["encoder"]) + noise @ np.array(fit.weights["linear"])
    probability = 1 / (1 + np.exp(-combined))
    for label in range(2):
        judged = ~np.isnan(truth[:, label])
        observed = truth[judged, label].mean()
        assert probability[judged, label].mean() == pytest.approx(observed, abs=0.02)
        assert fit.weights["linear"][label][label] < 0.3


def test_a_label_without_both_verdicts_keeps_the_mean_of_the_parts():
    logits = np.ones((20, 2))
    truth = np.stack([np.full(20, np.nan), np.zeros(20)], axis=1)
    fit = calibrate_independent({"encoder": logits, "linear": logits}, truth)
    assert fit.bias == [0, 0]
    assert fit.weights == {"encoder": [[0.5, 0], [0, 0.5]], "linear": [[0.5, 0], [0, 0.5]]}
