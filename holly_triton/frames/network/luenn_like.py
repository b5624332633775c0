"""A network like LUENN's (Abdehkakha 2023), after the description of its first PyTorch version, for comparison.

An encoder of four levels, a decoder to the camera's resolution, and one or two more steps of it to a grid of half or a
quarter of a pixel, each with dense connections. Two outputs for each cell of that grid: ``frames.phasor``. Batch
normalisation follows each rectifier, as published.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .inputs import CHANNELS
from .layers import seen_together, start

PHASOR = 2
"""Outputs: the cosine and the sine."""


class Block(nn.Sequential):
    """A convolution of 3 x 3, a rectifier, and batch normalisation."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True), nn.BatchNorm2d(after))


class Finer(nn.Module):
    """Twice the resolution, then four convolutions of which the last two see the output of those before."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.first, self.second = Block(before, width), Block(width, width)
        self.third, self.fourth = Block(2 * width, width), Block(3 * width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Features ``[B, w, 2 H, 2 W]`` of others ``[B, C, H, W]``."""
        first = self.first(_larger(features))
        second = self.second(first)
        third = self.third(torch.cat([first, second], dim=1))
        return self.fourth(torch.cat([first, second, third], dim=1))  # type: ignore[no-any-return]


class LuennLike(nn.Module):
    """14 million parameters at the published width of 64 and four cells a pixel."""

    stride = 8
    reach = 96
    """Pixels about one that its outputs depend on, with what the stride adds."""

    def __init__(self, width: int, frames_at_once: int, cells: int) -> None:
        super().__init__()
        self.cells = cells
        w = width
        self.stem = Block(CHANNELS, w)
        self.encode = nn.ModuleList([
            Block(frames_at_once * w, w), nn.Sequential(Block(w, 2 * w), Block(2 * w, 2 * w)), _four(2 * w, 4 * w), _four(4 * w, 8 * w),
        ])  # fmt: skip
        self.up = nn.ModuleList([Block(8 * w, 4 * w), Block(4 * w, 2 * w), Block(2 * w, w)])
        self.decode = nn.ModuleList([Block(8 * w, 4 * w), Block(4 * w, 2 * w), Block(2 * w, w)])
        self.finer = nn.Sequential(*(Finer(w, w) for _ in range(cells.bit_length() - 1)))
        self.last = nn.Conv2d(w, PHASOR, 3, padding=1)
        start(self)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, inputs: Tensor) -> Tensor:
        """Phasors ``[B, 2, cells H, cells W]`` of frames ``[B, T, 3, H, W]`` whose sides are multiples of the stride."""
        features = self.encode[0](seen_together(self.stem, inputs))
        skipped = []
        for level in self.encode[1:]:
            skipped.append(features)
            features = level(functional.max_pool2d(features, 2))
        for up, decode, skip in zip(self.up, self.decode, reversed(skipped), strict=True):
            features = decode(torch.cat([skip, up(_larger(features))], dim=1))
        return self.last(self.finer(features))  # type: ignore[no-any-return]


def _four(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(Block(before, after), *(Block(after, after) for _ in range(3)))


def _larger(features: Tensor) -> Tensor:
    return functional.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)
