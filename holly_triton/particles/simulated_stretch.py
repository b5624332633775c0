"""Simulated particles of one structure that differ in height: each is stretched along the structure's own z."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array

LEAST_HEIGHT = 5.0
"""Height of a structure in units of the standard deviation of its heights, at least: else particles would be turned inside out."""


class Stretch(NamedTuple):
    """How far each of P particles is stretched along the structure's z."""

    factor: Tensor  # [P]
    amplitude_nm: Tensor  # [P]: root-mean-square displacement of the sites, negative for a compression

    @property
    def matrix(self) -> Tensor:
        """``[P, 3, 3]``: to apply to the centred sites before their rotation."""
        return torch.diag_embed(
            torch.stack([torch.ones_like(self.factor), torch.ones_like(self.factor), self.factor], dim=1)
        )


def draw_stretch(points_nm: Array, images: int, deviation_nm: float, generator: torch.Generator) -> Stretch:
    """Heights that are normally distributed about that of a structure.

    Args:
        points_nm: Sites ``[N, 3]``, nm.
        images: Particles.
        deviation_nm: Standard deviation of the height, which is the extent of the sites along z.
        generator: Of the heights.

    Raises:
        HollyError: The deviation is too large for the structure.
    """
    z = np.asarray(points_nm, dtype=np.float64)[:, 2]
    height = float(np.ptp(z))
    if LEAST_HEIGHT * deviation_nm > height:
        raise HollyError(
            f"--stretch {deviation_nm:g}: is the standard deviation of the height along z, in nm, and the structure is {height:g} nm "
            f"high; give at most {height / LEAST_HEIGHT:g}"
        )
    change = torch.randn(images, generator=generator) * deviation_nm
    return Stretch(1 + change / height, change * (float(z.std()) / height))
