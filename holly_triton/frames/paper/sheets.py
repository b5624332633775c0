"""Emitters on an undulating sheet, as in the membranes of a cell: a structure that fills the field and is thin."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from holly_triton.frames.emitters import Emitters
from holly_triton.frames.samplers import RandomSampler
from holly_triton.frames.samplers.sampler import Range, log_uniform, uniform

from .config import SHEET_HEIGHT_NM, SHEET_LENGTH_NM, SHEET_WAVES


@dataclass(frozen=True)
class SheetSampler:
    """Emitters at random places of a sheet whose depth is a sum of plane waves, new in every frame.

    As seen from above they are random, so that their nominal density is their density.
    """

    z_range_nm: Range

    def draw(
        self, density: Tensor, field_nm: tuple[float, float], generator: torch.Generator, *, frames: float = 1.0
    ) -> Emitters:
        """See ``Sampler``."""
        flat = RandomSampler(self.z_range_nm).draw(density, field_nm, generator, frames=frames)
        return flat._replace(xyz=self._laid(flat.xyz, flat.frame(), len(density), generator))

    def fluorophores(self, number: int, field_nm: tuple[float, float], generator: torch.Generator) -> Tensor:
        """See ``Sampler``."""
        flat = RandomSampler(self.z_range_nm).fluorophores(number, field_nm, generator)
        return self._laid(flat, torch.zeros(len(flat), dtype=torch.int64, device=flat.device), 1, generator)

    def _laid(self, xyz: Tensor, frame: Tensor, batch: int, generator: torch.Generator) -> Tensor:
        """The same x and y ``[E, 2]`` with the depths of the sheet of each frame."""
        size = (batch, SHEET_WAVES)
        number = 2 * math.pi / log_uniform(size, SHEET_LENGTH_NM, generator)
        direction, phase = (uniform(size, (0, 2 * math.pi), generator) for _ in range(2))
        wave = torch.stack([number * direction.cos(), number * direction.sin()], dim=-1)  # [B, K, 2]
        angle = (wave[frame] @ xyz[:, :2, None])[..., 0] + phase[frame]
        height = angle.cos().sum(dim=1) * SHEET_HEIGHT_NM * math.sqrt(2 / SHEET_WAVES)
        least, most = self.z_range_nm
        depth = ((least + most) / 2 + height).clamp(least, most)
        return torch.cat([xyz[:, :2], depth[:, None]], dim=1)
