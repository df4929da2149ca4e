import torch

from components.encoder.losses import masked_targets_loss, mean_loss


def test_what_nobody_judged_does_not_count_in_the_loss():
    logits = torch.tensor([[2.0, -1.0], [0.5, 3.0]])
    judged = torch.tensor([[1.0, float("nan")], [float("nan"), float("nan")]])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits[0, 0], torch.tensor(1.0))
    torch.testing.assert_close(masked_targets_loss(logits, judged), expected)
    assert masked_targets_loss(logits, torch.full((2, 2), float("nan"))) == 0


def test_the_mean_of_a_batch_is_the_weighted_mean_of_its_parts():
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    judged = torch.tensor([[1, 0, 1], [0, float("nan"), 1], *[[float("nan")] * 3] * 3])
    cases = [(torch.tensor([0, 1, 2, 2, 0]), None), (torch.tensor([0, 1, 2, 2, 0]), torch.rand(3)), (judged, None)]
    for targets, class_weights in cases:
        whole, weight = mean_loss(logits, targets, class_weights)
        parts = [mean_loss(logits[rows], targets[rows], class_weights) for rows in (slice(2), slice(2, 5), slice(0))]
        torch.testing.assert_close(sum(part[1] for part in parts), weight)
        torch.testing.assert_close(sum(loss * share for loss, share in parts) / weight, whole)


def test_a_text_without_a_target_has_no_loss_but_a_gradient_of_zero():
    logits = torch.randn(0, 3, requires_grad=True)
    loss, weight = mean_loss(logits, torch.empty(0), torch.rand(3))
    loss.backward()
    assert (float(loss.detach()), float(weight)) == (0, 0)
    assert logits.grad is not None
