"""The loss of a batch, and its share in the loss of a batch that several processes share."""

import torch
from torch import Tensor, distributed, nn


def masked_targets_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy over judged labels; NaN targets count for nothing. Shapes [texts, labels]."""
    judged = ~torch.isnan(targets)
    loss = nn.functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(targets), reduction="none")
    return (loss * judged).sum() / judged.sum().clamp(min=1)


def mean_loss(logits: Tensor, targets: Tensor, class_weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the mean loss of a batch and the weight of its targets, by which means of batches are averaged.

    Args:
        logits: shape [texts, labels].
        targets: class numbers, shape [texts], or 0, 1 and NaN (not judged), shape [texts, labels]. If there are none,
            the loss is 0 whatever the logits are, and so is the weight.
        class_weights: shape [labels], for exclusive classes.
    """
    if not len(targets):
        return logits.sum() * 0.0, logits.new_zeros(())
    if targets.ndim == 2:
        targets = targets.float()
        return masked_targets_loss(logits, targets), (~torch.isnan(targets)).sum().float()
    classes = targets.long()
    weight = logits.new_tensor(len(classes)) if class_weights is None else class_weights[classes].sum()
    return nn.functional.cross_entropy(logits, classes, class_weights), weight


def share_of_all(loss: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a process must differentiate, and the mean loss over the batch that all processes share.

    Each process sees some texts of the batch. Averaging their gradients, as DDP does, is wrong where their targets do
    not weigh the same: rare classes, labels nobody judged, one text less. So each loss is scaled by its share in the
    weight of the whole batch.

    Args:
        loss: mean over the texts of this process.
        weight: of their targets.
    """
    sums = torch.stack([weight, weight * loss.detach()])
    distributed.all_reduce(sums)
    # A batch without any judged target has no loss.
    total = sums[0].clamp(min=torch.finfo(sums.dtype).tiny)
    return loss * (weight / total * distributed.get_world_size()), sums[1] / total
