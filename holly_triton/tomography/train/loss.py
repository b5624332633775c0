"""The loss: cross-entropy, weighted towards particles, and the Tversky index of every class.

With p the network's share of a class in a voxel and g the target's, a class has the index
``T = sum(min(p, g)) / (sum(min(p, g)) + alpha sum(p - min(p, g)) + beta sum(g - min(p, g)))``. Where g is 0 or 1, min(p, g)
is p g, and this is the index of Tversky (1977) as Salehi et al. (2017) and DeepFinder have it; for shares between, as
those of heat maps, it is largest where p = g. A small constant in both sums keeps a class that a batch lacks near T = 1.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.tomography.config.training import Loss


class Parts(NamedTuple):
    """A loss and what it is made of."""

    total: Tensor
    cross_entropy: Tensor
    tversky: Tensor
    """1 - T, the mean over the classes."""


def segmentation_loss(logits: Tensor, labels: Tensor, shares: Tensor, settings: Loss) -> Parts:
    """The loss of a batch.

    Args:
        logits: ``[B, C, Z, Y, X]``.
        labels: Classes ``[B, Z, Y, X]`` int64.
        shares: Their shares, 0 to 1, likewise.
        settings: Weights.
    """
    logarithms = logits.float().log_softmax(1)
    own = logarithms.gather(1, labels[:, None])[:, 0]
    weights = 1 + (settings.foreground - 1) * shares
    entropy = -(weights * (shares * own + (1 - shares) * logarithms[:, 0])).sum() / weights.sum()
    tversky = 1 - tversky_indices(logarithms.exp(), labels, shares, settings).mean()
    total = settings.cross_entropy * entropy + settings.tversky * tversky
    return Parts(total, entropy, tversky)


def tversky_indices(predicted: Tensor, labels: Tensor, shares: Tensor, settings: Loss) -> Tensor:
    """The index of each class ``[C]`` over a whole batch, from shares ``[B, C, Z, Y, X]`` that a network predicts."""
    own = predicted.gather(1, labels[:, None])[:, 0].minimum(shares)
    overlaps, wanted = [predicted[:, 0].minimum(1 - shares).sum()], [(1 - shares).sum()]
    for label in range(1, predicted.shape[1]):
        of_class = labels == label
        overlaps.append((own * of_class).sum())
        wanted.append((shares * of_class).sum())
    both, truth = torch.stack(overlaps), torch.stack(wanted)
    sums = predicted.sum((0, 2, 3, 4))
    union = both + settings.alpha * (sums - both) + settings.beta * (truth - both)
    return (both + settings.epsilon) / (union + settings.epsilon)
