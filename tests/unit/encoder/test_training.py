import numpy as np
import pytest

from components.encoder.config import EncoderConfig
from components.encoder.export import check_parity, export, smaller_if_as_good
from components.encoder.training import FineTuning, fine_tune, is_finished, predict
from mediareview.errors import MediaReviewError
from serving.scorers.encoder import OnnxEncoder

TEXTS = [f"{word} film {filler}" for word in ("good", "bad") for filler in ("", "the story", "very fine", "a b c d")]
LABELS = np.array([1] * 4 + [0] * 4)
CONFIG = EncoderConfig(epochs=3, batch_texts=2, learning_rate=3e-3, max_tokens=16)
LONG = CONFIG.model_copy(update={"epochs": 12})


@pytest.fixture
def network(tmp_path):
    return fine_tune(TEXTS, LABELS, 2, CONFIG, 7, 1, tmp_path / "checkpoints")


def test_it_learns_what_tells_the_classes_apart(tmp_path):
    trained = fine_tune(TEXTS, LABELS, 2, LONG, 7, 1, tmp_path)
    assert (predict(trained, TEXTS, 16).argmax(1) == LABELS).all()


def test_the_same_seed_gives_the_same_network(network, tmp_path):
    again = fine_tune(TEXTS, LABELS, 2, CONFIG, 7, 1, tmp_path / "again")
    np.testing.assert_array_equal(predict(again, TEXTS, 16), predict(network, TEXTS, 16))


@pytest.mark.parametrize("frozen_layers", [0, 1])
def test_an_interrupted_training_ends_as_an_uninterrupted_one(tmp_path, monkeypatch, frozen_layers):
    config = CONFIG.model_copy(update={"frozen_layers": frozen_layers, "encoder_dropout": 0.1})
    straight = predict(fine_tune(TEXTS, LABELS, 2, config, 7, 1, tmp_path / "straight"), TEXTS, 16)
    original = FineTuning.training_step

    def killed_in_the_second_epoch(self, batch, index):
        if self.current_epoch == 1 and index == 1:
            raise KeyboardInterrupt
        return original(self, batch, index)

    monkeypatch.setattr(FineTuning, "training_step", killed_in_the_second_epoch)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fine_tune(TEXTS, LABELS, 2, config, 7, 1, tmp_path / "broken")

    epochs = []

    def counted(self, batch, index):
        epochs.append(self.current_epoch)
        return original(self, batch, index)

    monkeypatch.setattr(FineTuning, "training_step", counted)
    resumed = predict(fine_tune(TEXTS, LABELS, 2, config, 7, 1, tmp_path / "broken"), TEXTS, 16)
    assert set(epochs) == {1, 2}
    np.testing.assert_array_equal(resumed, straight)


def test_a_finished_training_is_read_from_its_checkpoint(network, tmp_path, monkeypatch):
    monkeypatch.delattr(FineTuning, "training_step")
    assert is_finished(tmp_path / "checkpoints", CONFIG)
    again = fine_tune(TEXTS, LABELS, 2, CONFIG, 7, 1, tmp_path / "checkpoints")
    np.testing.assert_array_equal(predict(again, TEXTS, 16), predict(network, TEXTS, 16))
    assert not is_finished(tmp_path / "checkpoints", CONFIG.model_copy(update={"epochs": 4}))
    assert not is_finished(tmp_path, CONFIG)


def test_the_export_answers_as_the_network_and_int_8_nearly_so(network, tmp_path):
    logits = export(network, TEXTS, 16, 1, tmp_path)
    np.testing.assert_allclose(logits["encoder"], predict(network, TEXTS, 16), atol=1e-4)
    np.testing.assert_allclose(logits["encoder-int8"], logits["encoder"], atol=0.5)


def test_serving_scores_a_text_alike_alone_and_among_others(network, tmp_path):
    export(network, TEXTS, 16, 1, tmp_path)
    served = OnnxEncoder(tmp_path / "encoder", 16, threads=1)
    together = served.logits(TEXTS[::-1])[::-1]
    for row, text in enumerate(TEXTS):
        np.testing.assert_allclose(served.logits([text])[0], together[row], atol=1e-5)


def test_an_export_that_differs_is_refused():
    with pytest.raises(MediaReviewError, match="differs from the trained one by 0"):
        check_parity(np.zeros((2, 3), np.float32), np.full((2, 3), 0.5, np.float32))
    with pytest.raises(MediaReviewError, match="nan"):
        check_parity(np.zeros((2, 3), np.float32), np.full((2, 3), np.nan, np.float32))


def test_int_8_is_served_only_if_it_costs_less_than_0_4_points():
    assert smaller_if_as_good({"encoder": 0.700, "encoder-int8": 0.697}) == "encoder-int8"
    assert smaller_if_as_good({"encoder": 0.700, "encoder-int8": 0.695}) == "encoder"
