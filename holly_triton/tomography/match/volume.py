"""A tomogram made ready: centred, with bright macromolecules or not, clipped, filtered as its series measured it, cropped."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from holly_triton.tomography.config.matching import CLIP_SHARE, CLIP_SIGMA, Matching

from .template import measured

TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
MOST_VALUES = 10_000_000
"""Values that a median is found from at most."""


def centred(values: Tensor) -> Tensor:
    """A tomogram minus its median; rare values far from it, such as those of gold beads, are set to a limit.

    NaN and infinite values become the median.
    """
    values = values.float()
    some = values.reshape(-1)[:: math.ceil(values.numel() / MOST_VALUES)]
    some = some[some.isfinite()]
    middle = some.median()
    limit = CLIP_SIGMA * TO_SIGMA * float((some - middle).abs().median())
    values = (values - middle).nan_to_num(0, 0, 0)
    if limit > 0 and float((some - middle).abs().gt(limit).float().mean()) <= CLIP_SHARE:
        values = values.clamp(-limit, limit)
    return values


def padded_for(values: Tensor, crop: tuple[int, int]) -> Tensor:
    """A tomogram with zeros behind its last voxels, so that each side can be cropped by the fraction."""
    sides = [crop[0] * 2 * -(-size // (2 * crop[0])) for size in values.shape]
    pairs = [side - size for side, size in zip(sides, values.shape, strict=True)]
    return functional.pad(values, [one for more in reversed(pairs) for one in (0, more)])


def filtered(values: Tensor, settings: Matching, crop: tuple[int, int] = (1, 1)) -> Tensor:
    """The frequencies that the series measured, at voxels ``crop[0] / crop[1]`` times as large; voxel 0 keeps its place.

    Args:
        values: ``[Z, Y, X]``; each side is padded to what the crop needs, and the result cut to what the tomogram covers.
        settings: The tilts.
        crop: A fraction of at least 1.
    """
    wide = padded_for(values, crop)
    spectrum = torch.fft.rfftn(wide)
    spectrum *= measured((wide.shape[0], wide.shape[1], wide.shape[2]), settings, values.device)
    sides = [side // crop[0] * crop[1] for side in wide.shape]
    if crop != (1, 1):
        for axis, side in enumerate(sides[:2]):
            half = side // 2
            # The frequency of half the samples exists once only and is left out.
            low, high = spectrum.narrow(axis, 0, half), spectrum.narrow(axis, spectrum.shape[axis] - half + 1, half - 1)
            gap = torch.zeros_like(spectrum.narrow(axis, 0, 1))
            spectrum = torch.cat([low, gap, high], dim=axis)
        spectrum = spectrum[..., : sides[2] // 2 + 1].clone()
        spectrum[..., -1] = 0
    small: Tensor = torch.fft.irfftn(spectrum, s=sides) * (math.prod(sides) / wide.numel())
    covered = [math.ceil(size * crop[1] / crop[0]) for size in values.shape]
    return small[: covered[0], : covered[1], : covered[2]].contiguous()
