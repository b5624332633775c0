"""Convolutions that the networks share, and their first values."""

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.05
"""Of the leaky rectifier below 0."""


class SameConvolution(nn.Conv3d):
    """A convolution that keeps the size as Keras does: an even kernel sees one voxel more after than before."""

    def __init__(self, before: int, after: int, side: int = 3) -> None:
        super().__init__(before, after, side, padding=side // 2 if side % 2 else 0)
        self.after = 0 if side % 2 else side - 1

    def forward(self, features: Tensor) -> Tensor:
        """``[B, C, Z, Y, X]`` to ``[B, C', Z, Y, X]``."""
        return super().forward(functional.pad(features, (0, self.after) * 3) if self.after else features)


class Residual(nn.Module):
    """Two convolutions whose result is added to what they are given; at first they add nothing (Zhang et al. 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = SameConvolution(width, width), SameConvolution(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Features of the same shape."""
        inner = self.first(functional.leaky_relu(features, SLOPE))
        added: Tensor = self.second(functional.leaky_relu(inner, SLOPE))
        return features + added


def start(network: nn.Module) -> None:
    """First weights that keep the variance of signals (He et al. 2015), biases of 0, and branches that add nothing."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv3d):
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    for layer in network.modules():
        if isinstance(layer, Residual):
            nn.init.zeros_(layer.second.weight)


def doubled(features: Tensor) -> Tensor:
    """Features ``[B, C, Z, Y, X]`` at twice the size, each value in eight voxels."""
    return functional.interpolate(features, scale_factor=2.0)


def finer(features: Tensor) -> Tensor:
    """Features ``[B, 8 C, Z, Y, X]`` as ``[B, C, 2 Z, 2 Y, 2 X]``: eight channels are the eight halves' voxels (Shi et al. 2016)."""
    batch, channels, depth, rows, columns = features.shape
    parts = features.view(batch, channels // 8, 2, 2, 2, depth, rows, columns)
    return parts.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(batch, channels // 8, 2 * depth, 2 * rows, 2 * columns)


def no_foreground(last: nn.Conv3d, classes: int, background: float) -> None:
    """Start a last layer from the same answer for every voxel: background with this logit, and 0 for every other class."""
    with torch.no_grad():
        last.weight *= 0.1
        assert last.bias is not None
        last.bias.zero_()
        last.bias.view(classes, -1)[0] = background
