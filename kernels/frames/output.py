"""The output of a localisation network, as ``emitter_nll`` takes it."""

from typing import NamedTuple

from torch import Tensor


class Output(NamedTuple):
    """The parts of a network's output, checked against each other."""

    logits: Tensor  # [B, H, W]
    mean: Tensor  # [B, 4, H, W]
    sigma: Tensor  # [B, 4, H, W]
