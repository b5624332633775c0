"""A network like DECODE's (Speiser 2021), after its description, for comparison on the same stream of frames.

Two U-Nets of the same kind, one on each frame and one on the features of all, and four heads. It differs from the
published one where our training does: it is fed with our three channels, its photons are a logarithm and its background
relative to the frame's, for one training covers 700 to 25 000 photons.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .inputs import CHANNELS
from .layers import Convolution, doubled, inverse_softplus, seen_together, start
from .outputs import joined

HIGHEST_LOGIT = 8.0
FIRST_LOGIT = -6.0
WIDEST, NARROWEST = 3.0, 0.001
"""Bounds of the widths, in the units of the outputs."""
HEADS = (1, 4, 4, 1)
"""Outputs of each: probability; x, y, z and photons; their widths; background."""


class Pyramid(nn.Module):
    """A U-Net of three levels with w, 2 w and 4 w features, exponential linear units, and w features out."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        w = width
        self.first, self.second, self.third = _pair(before, w), _pair(w, 2 * w), _pair(2 * w, 4 * w)
        self.down, self.down_again = nn.Conv2d(w, w, 2, stride=2), nn.Conv2d(2 * w, 2 * w, 2, stride=2)
        self.up, self.up_again = nn.Conv2d(4 * w, 2 * w, 1), nn.Conv2d(2 * w, w, 1)
        self.fourth, self.fifth = _pair(4 * w, 2 * w), _pair(2 * w, w)
        self.last = nn.Conv2d(w, w, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Features ``[B, w, H, W]`` of others ``[B, C, H, W]``."""
        fine = self.first(features)
        coarse = self.second(self.down(fine))
        coarsest = self.third(self.down_again(coarse))
        coarse = self.fourth(torch.cat([coarse, self.up(doubled(coarsest))], dim=1))
        fine = self.fifth(torch.cat([fine, self.up_again(doubled(coarse))], dim=1))
        return self.last(fine)  # type: ignore[no-any-return]


class DecodeLike(nn.Module):
    """2.2 million parameters at the published width of 48."""

    stride, cells = 4, 1
    reach = 56
    """Pixels about one that its outputs depend on, with what the stride adds."""

    def __init__(self, width: int, frames_at_once: int) -> None:
        super().__init__()
        self.stem = Pyramid(CHANNELS, width)
        self.union = Pyramid(frames_at_once * width, width)
        self.heads = nn.ModuleList(
            nn.Sequential(Convolution(width, width, elu=True), nn.Conv2d(width, outputs, 1)) for outputs in HEADS
        )
        start(self)
        for module, value in ((self.heads[0], FIRST_LOGIT), (self.heads[3], inverse_softplus(1.0))):
            nn.init.constant_(module[1].bias, value)  # type: ignore[index]
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs ``[B, 10, H, W]`` of frames ``[B, T, 3, H, W]`` whose sides are multiples of the stride."""
        features = self.union(seen_together(self.stem, inputs))
        logit, mean, sigma, background = (head(features) for head in self.heads)
        logit = logit.clamp(-HIGHEST_LOGIT, HIGHEST_LOGIT)
        mean = torch.cat([mean[:, :2].tanh(), mean[:, 2:3].tanh() * 1.2, mean[:, 3:]], dim=1)
        return joined(logit, mean, WIDEST * sigma.sigmoid() + NARROWEST, functional.softplus(background))


def _pair(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(Convolution(before, after, elu=True), Convolution(after, after, elu=True))
