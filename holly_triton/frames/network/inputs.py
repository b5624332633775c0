"""What a network sees of a camera frame: photons relative to the frame's own background, padded to its stride."""

import torch
from torch import Tensor

CHANNELS = 3
"""Of each frame: linear, square root, and the logarithm of the background."""
ROUGH_SHARE = 0.2
"""Share of the pixels below a frame's rough background: emitters cover most of a crowded frame."""
LEAST_BACKGROUND = 1.0
"""Photons a pixel: the rough background of frames that are darker, which would be divided by about 0."""
LINEAR, ROOT, TYPICAL, LOGARITHM = 8.0, 6.0, 40.0, 1.5
"""Scales that make the channels of the order of 1 over 700 to 25 000 photons and 5 to 250 photons a pixel."""
ANSCOMBE = 0.375
"""Added under the root, which makes the variance of Poisson counts about constant (Anscombe 1948)."""


def rough_background(photons: Tensor) -> Tensor:
    """A rough background ``[B]`` of frames ``[B, H, W]``, photons a pixel: their 20 % quantile, but at least 1."""
    pixels = photons.flatten(1)
    rank = max(1, round(ROUGH_SHARE * pixels.shape[1]))
    return pixels.kthvalue(rank, dim=1).values.clamp(min=LEAST_BACKGROUND)


def network_inputs(photons: Tensor, rough: Tensor) -> Tensor:
    """Channels ``[B, T, 3, H, W]`` of T successive frames ``[B, T, H, W]``, photons, and a background ``[B]`` for all T."""
    rough = rough[:, None, None, None]
    root = (photons.clamp(min=0) + ANSCOMBE).sqrt() - (rough + ANSCOMBE).sqrt()
    level = ((rough / TYPICAL).log() / LOGARITHM).expand_as(photons)
    return torch.stack([(photons - rough) / (LINEAR * rough), root / ROOT, level], dim=2)


def padded(images: Tensor, stride: int) -> Tensor:
    """Images ``[..., H, W]`` continued at the right and below by reflection, to the next multiples of a stride."""
    for axis in (-2, -1):
        size = images.shape[axis]
        if extra := -size % stride:
            images = images.index_select(axis, _reflected(size, extra).to(images.device))
    return images


def _reflected(size: int, extra: int) -> Tensor:
    """Pixels to take along an axis of a size to have some more: forth and back, as often as that needs."""
    period = max(1, 2 * (size - 1))
    place = torch.arange(size + extra) % period
    return torch.minimum(place, period - place).clamp(max=size - 1)
