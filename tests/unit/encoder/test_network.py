import pytest
import torch

from components.encoder.batches import pad
from components.encoder.network import TextEncoder

SEQUENCES = [torch.tensor([2, 4, 6, 3]), torch.tensor([2, 5, 3])]


@pytest.mark.parametrize("frozen_layers", [1, 2])
def test_kept_states_lead_to_the_same_logits(tiny_encoder, frozen_layers):
    network = TextEncoder(tiny_encoder, 3, frozen_layers).eval()
    ids, mask = pad(SEQUENCES)
    with torch.no_grad():
        states = network.frozen_states(ids, mask)
        torch.testing.assert_close(network.from_frozen_states(states, mask), network(ids, mask))


def test_frozen_layers_get_no_gradient_and_the_others_do(tiny_encoder):
    network = TextEncoder(tiny_encoder, 3, frozen_layers=1)
    network(*pad(SEQUENCES)).sum().backward()
    layers = network.encoder.encoder.layer
    assert all(parameter.grad is None for parameter in layers[0].parameters())
    assert all(parameter.grad is not None for parameter in layers[1].parameters())


def test_padding_changes_nothing(tiny_encoder):
    network = TextEncoder(tiny_encoder, 3).eval()
    with torch.no_grad():
        together = network(*pad(SEQUENCES))[1]
        alone = network(*pad(SEQUENCES[1:]))[0]
    torch.testing.assert_close(together, alone)


def test_lower_layers_learn_slower(tiny_encoder):
    network = TextEncoder(tiny_encoder, 3)
    rates = [group["lr"] for group in network.parameter_groups(1e-4, 0.5)]
    assert rates == [1e-3, 1e-4, 0.5e-4, 0.25e-4, 0.125e-4]
