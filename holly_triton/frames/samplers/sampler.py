"""What every sampler of positions is, and what several of them need."""

from typing import Protocol

import torch
from torch import Tensor

from holly_triton.frames.config.samplers import MARGIN_NM
from holly_triton.frames.emitters import Emitters

Range = tuple[float, float]
"""Least and most."""


class Sampler(Protocol):
    """A distribution of emitters over a field."""

    def draw(
        self, density: Tensor, field_nm: tuple[float, float], generator: torch.Generator, *, frames: float = 1.0
    ) -> Emitters:
        """Positions in one field for each density, of one photon each.

        Args:
            density: ``[B]`` nominal emitters per square micrometre: as crowded, by the distances between neighbours, as so
                many random ones.
            field_nm: Its width and height. Emitters up to ``MARGIN_NM`` outside are drawn as well.
            generator: Of the random numbers; the emitters are on its device.
            frames: Draw the emitters of this number of frames together, on one and the same structure.
        """

    def fluorophores(self, number: int, field_nm: tuple[float, float], generator: torch.Generator) -> Tensor:
        """About this number of positions ``[N, 3]`` nm in one field and its margin, all on the same structure."""


def uniform(shape: tuple[int, ...], bounds: Range, generator: torch.Generator) -> Tensor:
    """Random numbers of this shape between two bounds, float32."""
    least, most = bounds
    return torch.rand(shape, generator=generator, device=generator.device) * (most - least) + least


def log_uniform(shape: tuple[int, ...], bounds: Range, generator: torch.Generator) -> Tensor:
    """The same, whose logarithms are uniform; the bounds are above 0."""
    least, most = torch.tensor(bounds, dtype=torch.float64).log().tolist()
    return uniform(shape, (least, most), generator).exp().clamp(*bounds)


def normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Standard normal numbers of this shape, float32."""
    return torch.randn(shape, generator=generator, device=generator.device)


def poisson(mean: Tensor, generator: torch.Generator) -> Tensor:
    """Counts int64 of these means."""
    return torch.poisson(mean.to(generator.device, torch.float32), generator=generator).long()


def widened(field_nm: tuple[float, float]) -> tuple[float, float]:
    """Width and height of a field with its margin."""
    width, height = field_nm
    return width + 2 * MARGIN_NM, height + 2 * MARGIN_NM


def seen(xyz: Tensor, frame: Tensor, batch: int, field_nm: tuple[float, float], z_range_nm: Range) -> Emitters:
    """Of emitters ``[E, 3]`` in these frames ``[E]``, in order, those in the field, its margin and the range of depths."""
    x, y, z = xyz.unbind(1)
    width, height = field_nm
    kept = (x > -MARGIN_NM) & (x < width + MARGIN_NM) & (y > -MARGIN_NM) & (y < height + MARGIN_NM)
    kept &= (z >= z_range_nm[0]) & (z <= z_range_nm[1])
    xyz = xyz[kept]
    return Emitters.of(xyz, torch.ones_like(xyz[:, 0]), torch.bincount(frame[kept], minlength=batch))
