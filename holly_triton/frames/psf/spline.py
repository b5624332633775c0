"""A measured PSF: cubic B-splines in x, y and z whose coefficients are a table (Babcock and Zhuang 2017; Li et al. 2018)."""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.frames.emitters import Emitters
from holly_triton.kernels import PsfTable, splat_psf

LIT_MORE = 3
"""Pixels along a side that an emitter lights beyond the table's side, as cubic splines reach further than their points."""


@dataclass(frozen=True, eq=False)
class SplinePsf:
    """Shares of the photons as a sum of cubic B-splines about the points of a grid; see ``kernels.PsfTable``."""

    table: PsfTable
    """Coefficients ``[D + 2, S, S]`` float32, S odd: z in nm, the emitter in the middle of y and x."""
    pixel_nm: float
    z_range_nm: tuple[float, float]
    """Depths that are used, all of which lie within the table."""

    @property
    def size(self) -> int:
        """Odd side, pixels, of a patch that holds an emitter's light at every depth."""
        return int(self.table.coefficients.shape[-1]) + LIT_MORE - 1

    @property
    def depths_nm(self) -> tuple[float, float]:
        """Depths of the table's first and last plane, nm."""
        return self.table.z_first, self.table.z_first + self.table.z_step * (self.table.planes - 1)

    def draw(self, emitters: Emitters, shape: tuple[int, int]) -> Tensor:
        """Expected photons ``[B, H, W]`` of the emitters, without a background and without a gradient."""
        height, width = shape
        centre = emitters.xyz.new_tensor([width / 2, height / 2])
        xy, z = emitters.xyz[:, :2] / self.pixel_nm - centre, emitters.xyz[:, 2:].clamp(*self.z_range_nm)
        return splat_psf(torch.cat([xy, z], dim=1), emitters.offsets, self.table, shape, weights=emitters.photons)

    def patches(self, xyz: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Shares of the photons ``[E, size, size]`` and their derivatives ``[E, 3, size, size]``, 1/nm; see ``Psf``."""
        table = self.table
        plane = (xyz[:, 2].clamp(*self.z_range_nm) - table.z_first) / table.z_step
        base = plane.floor().clamp(0, table.planes - 2)
        weights = torch.stack(cubic_weights(plane - base))  # [2, E, 4]
        near = table.coefficients[base.long()[:, None] + torch.arange(4, device=xyz.device)]  # [E, 4, S, S]
        slices, by_z = torch.einsum("dek,ekji->deji", weights, near)
        along_x, along_y = (self._line(xyz[:, axis], size) for axis in (0, 1))
        # [E, S, size]: the values, their slope along x, and along z
        light, by_x, by_z = along_x.sum(slices), along_x.slope(slices), along_x.sum(by_z)
        light, by_x, by_z, by_y = (part.mT for part in (light, by_x, by_z, light))
        light, by_x, by_z, by_y = along_y.sum(light), along_y.sum(by_x), along_y.sum(by_z), along_y.slope(by_y)
        by_xyz = (-by_x / self.pixel_nm, -by_y / self.pixel_nm, by_z / table.z_step)
        return light.mT, torch.stack([part.mT for part in by_xyz], dim=1)

    def to(self, device: torch.device | str) -> Self:
        """The same with its table on another device."""
        return replace(self, table=self.table._replace(coefficients=self.table.coefficients.to(device)))

    def _line(self, at_nm: Tensor, size: int) -> "_Line":
        """Pixels of patches along one axis, for emitters at these places ``[E]``."""
        side = self.table.coefficients.shape[-1]
        first = 0.5 - at_nm / self.pixel_nm + (side - 1) / 2  # place of the first pixel on the grid
        base = first.floor()
        index = base.long()[:, None] - 1 + torch.arange(size + 3, device=at_nm.device)
        weights, slopes = cubic_weights(first - base)
        return _Line(index.clamp(0, side - 1), (index >= 0) & (index < side), weights, slopes)


class _Line(NamedTuple):
    """Pixels along one axis of patches, and the points of the grid about them."""

    points: Tensor
    """``[E, size + 3]``: those about pixel i are i to i + 3."""
    exists: Tensor
    """``[E, size + 3]``: whether the grid has this point."""
    weights: Tensor
    """``[E, 4]``, the same for all pixels of a patch."""
    slopes: Tensor

    def sum(self, part: Tensor) -> Tensor:
        """Values at the pixels, from coefficients along the last axis: ``[E, n, S]`` to ``[E, n, size]``."""
        return self._sum(part, self.weights)

    def slope(self, part: Tensor) -> Tensor:
        """Their derivative along the grid, per point."""
        return self._sum(part, self.slopes)

    def _sum(self, part: Tensor, weights: Tensor) -> Tensor:
        near = part.gather(2, self.points[:, None, :].expand(-1, part.shape[1], -1)) * self.exists[:, None, :]
        return (near.unfold(2, 4, 1) * weights[:, None, None, :]).sum(-1)


def cubic_weights(t: Tensor) -> tuple[Tensor, Tensor]:
    """The four cubic B-splines about a place between the second and the third point, and their slopes ``[..., 4]``."""
    one, square = 1 - t, t * t
    first, last = one * one * one / 6, square * t / 6
    weights = (first, 2 / 3 - square * (2 - t) / 2, 2 / 3 - one * one * (1 + t) / 2, last)
    slopes = (-one * one / 2, t * (1.5 * t - 2), -one * (1.5 * one - 2), square / 2)
    return torch.stack(weights, dim=-1), torch.stack(slopes, dim=-1)


def basis(places: Array, points: int) -> Array:
    """Cubic B-splines about the points 0 to ``points`` - 1 at some places ``[n]``: ``[n, points]``."""
    t = np.abs(np.asarray(places, dtype=np.float64)[:, None] - np.arange(points))
    near, far = 2 / 3 - t * t * (1 - t / 2), np.maximum(2 - t, 0) ** 3 / 6
    return np.where(t < 1, near, far)


def spline_of_slices(samples: Array, z_nm: Array, *, pixel_nm: float, planes: Array) -> SplinePsf:
    """The table that reproduces sampled slices, in the least squares along z.

    Args:
        samples: Shares of the photons in each pixel ``[n, S, S]``, centred on the emitter, S odd.
        z_nm: Their depths ``[n]``, nm, within the planes.
        pixel_nm: Side of a pixel, nm.
        planes: Depths of the table's planes, nm, evenly spaced, at least 4 and less than there are samples.
    """
    side, step = samples.shape[-1], float(planes[1] - planes[0])
    along = basis((z_nm - planes[0]) / step + 1, len(planes) + 2)
    in_plane = np.linalg.inv(basis(np.arange(side), side))
    sliced = np.linalg.lstsq(along, samples.reshape(len(samples), -1), rcond=None)[0].reshape(-1, side, side)
    coefficients = torch.as_tensor(in_plane @ sliced @ in_plane.T, dtype=torch.float32)
    return SplinePsf(PsfTable(coefficients, float(planes[0]), step), pixel_nm, (float(planes[0]), float(planes[-1])))
