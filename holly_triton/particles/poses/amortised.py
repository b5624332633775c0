"""Amortised poses: a network is trained to predict them from the pictures, so that its weights are shared by all pictures."""

import torch
from torch import Tensor, nn

from holly_triton.particles.cloud.objective import SCALE, normalised

from .encoder import Encoder


class ReadPoses(nn.Module):
    """Pose outputs predicted by the network (Blundell et al. 2021, section 3.1)."""

    def __init__(self, size: int, outputs: int, generator: torch.Generator) -> None:
        """A network with initial weights for pictures of ``size`` pixels a side."""
        super().__init__()
        self.encoder = Encoder(size, outputs, generator)

    def forward(self, index: Tensor, target: Tensor) -> Tensor:
        """Outputs ``[B, outputs]`` of pictures ``[B, S, S]``, whichever they are."""
        outputs: Tensor = self.encoder(SCALE * normalised(target))
        return outputs
