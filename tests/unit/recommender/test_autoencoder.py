import numpy as np
import pytest
import scipy.sparse as sp
import torch

from components.recommender.autoencoder import MaskedAutoencoder, train_autoencoder
from components.recommender.config import AutoencoderConfig
from serving.scorers._recommender_parts import Autoencoder

CONFIG = AutoencoderConfig(hidden=8, epochs=20, batch_users=16)


@pytest.fixture(scope="module")
def interactions():
    random = np.random.default_rng(0)
    return sp.csr_matrix((random.random((40, 15)) < 0.4) * random.uniform(0.6, 1.4, (40, 15)), dtype=np.float32)


def test_numpy_computes_what_torch_computes(interactions):
    network = MaskedAutoencoder(torch.ones(15), CONFIG, steps=10, seed=3).eval()
    weights = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    served = Autoencoder(
        weights["encoder.weight"].T, weights["encoder.bias"], weights["decoder.weight"].T, weights["decoder.bias"]
    )
    with torch.no_grad():
        expected = network(torch.from_numpy(interactions.toarray())).numpy()
    for user in range(5):
        row = interactions[user]
        np.testing.assert_allclose(served.scores(row.indices.astype(np.intp), row.data), expected[user], atol=1e-5)


def test_an_interrupted_training_ends_with_the_weights_of_an_uninterrupted_one(interactions, tmp_path, monkeypatch):
    straight = train_autoencoder(interactions, CONFIG, 1, tmp_path / "straight", "model")

    original = MaskedAutoencoder.training_step
    epochs = []

    def stop_once(self, batch, index):
        epochs.append(self.current_epoch)
        if len(epochs) == 40:
            raise KeyError("interrupted")
        return original(self, batch, index)

    monkeypatch.setattr(MaskedAutoencoder, "training_step", stop_once)
    with pytest.raises(KeyError):
        train_autoencoder(interactions, CONFIG, 1, tmp_path / "resumed", "model")
    resumed = train_autoencoder(interactions, CONFIG, 1, tmp_path / "resumed", "model")
    assert epochs[39:41] == [13, 10]
    for name, values in straight.items():
        np.testing.assert_allclose(resumed[name], values, atol=1e-6)


def test_several_networks_average_their_logits(interactions, tmp_path):
    both = train_autoencoder(interactions, CONFIG.model_copy(update={"members": 2}), 1, tmp_path, "both")
    single = [train_autoencoder(interactions, CONFIG, seed, tmp_path, f"one-{seed}") for seed in (1, 2)]
    row = interactions[0]
    items = row.indices.astype(np.intp)
    expected = np.mean([Autoencoder(**weights).scores(items, row.data) for weights in single], axis=0)
    np.testing.assert_allclose(Autoencoder(**both).scores(items, row.data), expected, atol=1e-5)
