"""Convolutions that the networks share, and their first values."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.05
"""Of the leaky rectifier below 0."""


class Convolution(nn.Sequential):
    """A convolution that keeps the size, and its non-linearity."""

    def __init__(self, before: int, after: int, side: int = 3, *, dilation: int = 1, elu: bool = False) -> None:
        layer = nn.Conv2d(before, after, side, padding=dilation * (side // 2), dilation=dilation)
        super().__init__(layer, nn.ELU(inplace=True) if elu else nn.LeakyReLU(SLOPE, inplace=True))


def start(network: nn.Module) -> None:
    """First weights that keep the variance of signals (He et al. 2015), and biases of 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def doubled(features: Tensor) -> Tensor:
    """Features ``[B, C, H, W]`` at twice the size, each value in four pixels."""
    return functional.interpolate(features, scale_factor=2.0)


def seen_together(stem: nn.Module, inputs: Tensor) -> Tensor:
    """Features ``[B, T C, H, W]`` that one stem makes of each of T frames ``[B, T, channels, H, W]``."""
    many, count = inputs.shape[:2]
    features: Tensor = stem(inputs.flatten(0, 1).contiguous(memory_format=torch.channels_last))
    if count == 1:
        return features
    together = features.view(many, count, *features.shape[1:]).flatten(1, 2)
    return together.contiguous(memory_format=torch.channels_last)


def inverse_softplus(value: float) -> float:
    """What ``softplus`` makes a value above 0 of."""
    return math.log(math.expm1(value))
