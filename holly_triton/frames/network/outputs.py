"""The ten numbers that a network gives for each pixel, and the units they are in."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

OUTPUTS = 10
"""The logit of an emitter in this pixel; x, y (pixels from its centre), z (half ranges), log photons; the standard deviation
of each; background."""
MEAN, SIGMA, BACKGROUND = slice(1, 5), slice(5, 9), 9
"""Where they lie among the outputs."""
LEAST_SIGMA = (0.02, 0.02, 0.005, 0.02)
"""Of x, y, z and log photons, in the units of the outputs. No emitter within the ranges of training has a smaller bound;
without one the likelihood of a single emitter could grow without end."""
PHOTONS_OVER_BACKGROUND = 100.0
"""Photons whose logarithm is output as 0, over the rough background: so it is of the order of 1."""


class Scales(NamedTuple):
    """Lengths that positions are output in."""

    pixel_nm: float
    z_middle_nm: float
    z_half_nm: float
    """Half of the range of depths."""

    @staticmethod
    def of(pixel_nm: float, z_range_nm: tuple[float, float]) -> "Scales":
        """Those of pixels and a range of depths."""
        low, high = z_range_nm
        return Scales(pixel_nm, (low + high) / 2, (high - low) / 2)


def log_photons(photons: Tensor, rough: Tensor) -> Tensor:
    """Photons ``[E]`` in the unit of the outputs, of frames with a rough background ``[E]``."""
    return (photons / (PHOTONS_OVER_BACKGROUND * rough)).log()


def photons_of(output: Tensor, rough: Tensor) -> Tensor:
    """The inverse of ``log_photons``."""
    return output.exp() * (PHOTONS_OVER_BACKGROUND * rough)


def bounded_below(raw: Tensor) -> Tensor:
    """Widths ``[B, 4, H, W]`` above ``LEAST_SIGMA`` of whatever numbers."""
    return functional.softplus(raw) + raw.new_tensor(LEAST_SIGMA)[:, None, None]


def joined(logit: Tensor, mean: Tensor, sigma: Tensor, background: Tensor) -> Tensor:
    """The parts ``[B, 1 or 4, H, W]`` as outputs ``[B, 10, H, W]``."""
    return torch.cat([logit, mean, sigma, background], dim=1)
