"""What a tomogram holds of a density's spectrum: nothing in the missing wedge, and the CTF's share elsewhere."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from holly_triton.geometry.volumes import measured
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.config.simulation import TILT_DEG
from holly_triton.tomography.simulate.optics import ctf


@dataclass(frozen=True)
class Imaging:
    """How particles of a tomogram were imaged.

    Attributes:
        voxel: Å.
        tilt: First and last tilt, degrees.
        optics: Of the CTF that the tomogram has; None for one without, or whose phases were flipped.
        contrast: Of protein where ``optics`` is None; else that of the optics counts.
    """

    voxel: float
    tilt: tuple[float, float] = TILT_DEG
    optics: Optics | None = None
    contrast: Literal["dark", "bright"] = "dark"

    def transfer(self, frequencies: Tensor) -> tuple[Tensor, Tensor]:
        """Whether each frequency was measured, 0 or 1, and the factor of its amplitude, both ``[...]``.

        Args:
            frequencies: ``[..., 3]``: x, y, z in cycles per voxel.
        """
        seen = measured(frequencies, self.tilt)
        if self.optics is None:
            return seen, torch.full_like(seen, -1.0 if self.contrast == "dark" else 1.0)
        return seen, ctf(frequencies.norm(dim=-1) / self.voxel, self.optics)
