"""A PSF without astigmatism, for movies in 2D: a round Gaussian whose width is found in the place of a depth."""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from holly_triton.frames.config.fitting import ROUND_WIDTHS
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.psf.model import draw_patches


@dataclass(frozen=True)
class RoundPsf:
    """As ``psf.Psf``, with the standard deviation in nm as the third coordinate.

    The width of a spot grows with the emitter's distance from the focus, on both sides alike: it can be found, and the depth
    can't.
    """

    sigma_nm: float
    """Standard deviation in focus, nm, without the integration over a pixel."""
    pixel_nm: float

    @property
    def z_range_nm(self) -> tuple[float, float]:
        """Least and largest width, nm."""
        least, most = ROUND_WIDTHS
        return least * self.sigma_nm, most * self.sigma_nm

    @property
    def size(self) -> int:
        """Odd side of a patch that holds nearly all light, pixels."""
        return 2 * math.ceil(4 * self.z_range_nm[1] / self.pixel_nm) + 1

    def draw(self, emitters: Emitters, shape: tuple[int, int]) -> Tensor:
        """Expected photons ``[B, H, W]`` of the emitters."""
        return draw_patches(self, lambda xyz, size: self.patches(xyz, size)[0], emitters, shape)

    def patches(self, xyz: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Shares of the photons ``[E, size, size]`` and their derivatives by x, y and width ``[E, 3, size, size]``."""
        centres = (torch.arange(size, dtype=xyz.dtype, device=xyz.device) + 0.5) * self.pixel_nm
        x, y = (centres - xyz[:, :1])[:, None, :], (centres - xyz[:, 1:2])[:, :, None]
        width = xyz[:, 2, None, None].clamp(*self.z_range_nm)
        variance = width**2 + self.pixel_nm**2 / 12  # a camera integrates over its pixels
        square = x * x + y * y
        values = self.pixel_nm**2 / (2 * math.pi * variance) * torch.exp(-square / variance / 2)
        slopes = [
            x.expand_as(values) / variance,
            y.expand_as(values) / variance,
            width / variance * (square / variance - 2),
        ]
        return values, values[:, None] * torch.stack(slopes, dim=1)

    def to(self, device: torch.device | str) -> Self:
        """Itself: it holds numbers only."""
        del device
        return self
