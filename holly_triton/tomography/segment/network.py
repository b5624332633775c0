"""Our own network: a residual U-Net that works at half of the tomogram's resolution and answers at the whole.

Two cores have to train it in minutes, and particles are many voxels wide. So the first layer halves the resolution, and the
last one answers for the eight voxels of each half-resolution one at once. There is no normalisation: its statistics would
make the answer for a voxel depend on the tile in which it lies.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from holly_triton.tomography.config.network import Network

from .deepfinder import DeepFinder
from .layers import SLOPE, Residual, SameConvolution, doubled, finer, no_foreground, start

FIRST_BACKGROUND = 4.0
"""Logit of the background before training: 98 % where there are few classes."""


class OwnNetwork(nn.Module):
    """Two levels, at a half and a quarter of the resolution, of w and 3 w features."""

    stride = 4
    reach = 32
    """Voxels about one on which its outputs depend, 30 at most, up to a multiple of the stride."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.floats = width + 4 * classes
        """Numbers a voxel that inference holds at once, about."""
        low = 3 * width
        self.stem = nn.Conv3d(1, width, 4, stride=2, padding=1)
        self.fine = Residual(width)
        self.down = nn.Conv3d(width, low, 2, stride=2)
        self.low = nn.Sequential(Residual(low), Residual(low))
        self.narrow = SameConvolution(low, width, 1)
        self.join = SameConvolution(2 * width, 2 * width)
        self.top = Residual(2 * width)
        self.last = SameConvolution(2 * width, 8 * classes, 1)
        start(self)
        no_foreground(self.last, classes, FIRST_BACKGROUND)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits ``[B, classes, Z, Y, X]`` of normalised voxels ``[B, 1, Z, Y, X]``, whose sides are multiples of the stride."""
        fine = self.fine(self.stem(inputs))
        low = self.low(self.down(functional.leaky_relu(fine, SLOPE)))
        joined = self.join(functional.leaky_relu(torch.cat([fine, doubled(self.narrow(low))], dim=1), SLOPE))
        return finer(self.last(functional.leaky_relu(self.top(joined), SLOPE)))


AnyNetwork = OwnNetwork | DeepFinder


def build(settings: Network, classes: int) -> AnyNetwork:
    """A network at the start of its training; the first of its classes is the background."""
    return (DeepFinder if settings.preset == "deepfinder" else OwnNetwork)(settings.features, classes)
