"""Emitters on copies of a structure, placed and turned anew for each frame, and on fluorophores that stay where they are."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.frames.config.samplers import CHALLENGE_FIELD_NM, COPIES, COPY_ROOM_NM, JITTER_NM, MARGIN_NM
from holly_triton.frames.emitters import Emitters
from holly_triton.geometry.rotations import random_rotations, rotation_from_axis_angle

from .crowded import CrowdedSampler
from .sampler import Range, log_uniform, normal, poisson, seen, uniform

Orientation = Literal["any", "upright"]
MOST_CELLS = 2**23
"""Cells of all frames of a batch in which copies are compared with their neighbours; more do not fit in memory."""


class _Copies(NamedTuple):
    """K copies of a structure in B frames, in order of the frames."""

    frame: Tensor
    """``[K]`` int64."""
    centre: Tensor
    """``[K, 3]`` nm."""
    rotation: Tensor
    """``[K, 3, 3]``."""
    territory: Tensor
    """``[B]``: area in square nm for each copy, as the density of the copies gives it."""


class StructureSampler(CrowdedSampler):
    """Emitters on copies of a structure that do not overlap; in each frame one of them lies in the field.

    Positions and orientations of the copies are new in every frame, and so is their density. Copies that overlap one of a
    lower random mark are removed (Matern 1960, hard core of type II, with cells in place of discs).

    Args:
        points: ``[N, 3]`` nm, the sites of one copy.
        z_range_nm: Depths in which a copy lies wholly, where it fits; emitters beyond are dropped.
        orientation: ``"any"`` direction of 3D, or ``"upright"``: turned about z, and upside down in half of the cases. By
            default any for structures that are not larger than the range of depths.
        copies: Least and most copies before overlapping ones are removed, as ``COPIES``; log-uniform over the frames.

    Raises:
        ValueError: There are no points.
    """

    def __init__(
        self, points: Array, z_range_nm: Range, orientation: Orientation | None = None, copies: Range = COPIES
    ) -> None:
        if len(points) == 0:
            raise ValueError("a structure needs at least one point")
        points = points - (points.max(axis=0) + points.min(axis=0)) / 2
        self.points = torch.as_tensor(points, dtype=torch.float32)
        self.z_range_nm, self.copies = z_range_nm, copies
        self.reach = float(self.points.norm(dim=1).max())
        fits = 2 * self.reach <= z_range_nm[1] - z_range_nm[0]
        self.orientation: Orientation = orientation or ("any" if fits else "upright")
        self.room = max(2 * (self.reach + JITTER_NM[1]), COPY_ROOM_NM)
        """Copies whose centres are this far apart do not touch, nm."""

    def draw_at(self, rate: Tensor, field_nm: tuple[float, float], generator: torch.Generator) -> Emitters:
        """Positions for ``rate`` emitters in a field of the challenge's size, shared among the copies there."""
        points = self.points.to(generator.device)
        copies = self._copies(points, len(rate), field_nm, generator)
        each = rate.to(generator.device) * copies.territory / (CHALLENGE_FIELD_NM[0] * CHALLENGE_FIELD_NM[1])
        counts = poisson(each[copies.frame], generator)
        site = torch.randint(len(points), (int(counts.sum()),), generator=generator, device=generator.device)
        # A site emits once; sorting keeps the order of the frames.
        chosen = torch.unique(torch.repeat_interleave(counts) * len(points) + site)
        copy, site = chosen // len(points), chosen % len(points)
        frame = copies.frame[copy]
        jitter = uniform((len(rate),), JITTER_NM, generator)
        xyz = (copies.rotation[copy] @ points[site, :, None])[..., 0] + copies.centre[copy]
        xyz = xyz + normal((len(frame), 3), generator) * jitter[frame, None]
        return seen(xyz, frame, len(rate), field_nm, self.z_range_nm)

    def _copies(self, points: Tensor, batch: int, field_nm: tuple[float, float], generator: torch.Generator) -> _Copies:
        device = generator.device
        edge = MARGIN_NM + self.reach
        size = torch.tensor([field_nm[0] + 2 * edge, field_nm[1] + 2 * edge], device=device)
        area = float(size.prod())
        side = max(self.room, math.sqrt(batch * area / MOST_CELLS))
        per_cell = log_uniform((batch,), self.copies, generator) / 9  # each excludes others from 3 x 3 cells
        others = poisson(per_cell * area / side**2, generator)
        frame = torch.cat([torch.arange(batch, device=device), torch.repeat_interleave(others)])
        rotation = self._rotations(len(frame), generator)
        place = torch.rand((len(frame), 2), generator=generator, device=device) * size - edge
        # The first copy of each frame has a random one of its sites in the field.
        anchor = points[torch.randint(len(points), (batch,), generator=generator, device=device), :, None]
        within = torch.rand((batch, 2), generator=generator, device=device) * torch.tensor(field_nm, device=device)
        place[:batch] = within - (rotation[:batch] @ anchor)[:, :2, 0]
        mark = torch.rand(len(frame), generator=generator, device=device)
        mark[:batch] = -1
        kept = _apart(frame, place, mark, batch, side)
        kept = kept[frame[kept].argsort(stable=True)]
        rotation = rotation[kept]
        centre = torch.cat([place[kept], self._depths(points, rotation, generator)], dim=1)
        # So many of them are kept; and one lies in every field of the challenge's size.
        density = (1 - torch.exp(-9 * per_cell)) / (9 * side**2)
        return _Copies(
            frame[kept], centre, rotation, (1 / density).clamp_max(CHALLENGE_FIELD_NM[0] * CHALLENGE_FIELD_NM[1])
        )

    def _rotations(self, copies: int, generator: torch.Generator) -> Tensor:
        if self.orientation == "any":
            return random_rotations(copies, generator)
        turn = torch.zeros(copies, 3, device=generator.device)
        turn[:, 2] = uniform((copies,), (0, 2 * math.pi), generator)
        # Upside down, not mirrored: half a turn about x.
        over = torch.rand(copies, generator=generator, device=generator.device) < 0.5
        flip = torch.diag_embed(torch.stack([torch.ones(copies, device=over.device), *2 * [1.0 - 2.0 * over]], dim=1))
        return rotation_from_axis_angle(turn) @ flip

    def _depths(self, points: Tensor, rotation: Tensor, generator: torch.Generator) -> Tensor:
        """Depths of the centres ``[K, 1]``, at which copies lie within the range wherever they fit."""
        least, most = self.z_range_nm
        half = (rotation[:, 2] @ points.T).abs().amax(dim=1, keepdim=True)
        room = ((most - least) / 2 - half).clamp_min(0)
        return (least + most) / 2 + uniform((len(rotation), 1), (-1, 1), generator) * room


@dataclass(eq=False)
class PoolSampler(CrowdedSampler):
    """Emitters that are a random choice of fluorophores which stay where they are.

    Attributes:
        points: ``[N, 3]`` nm, in the coordinates of the field.
        field_nm: Width and height of the field in which the nominal density is counted.
        emitters: Mean emitters of a frame in the field, whatever the density; they follow from the density where it is None.
    """

    points: Array
    field_nm: tuple[float, float] = CHALLENGE_FIELD_NM
    emitters: float | None = None

    def __post_init__(self) -> None:
        if len(self.points) == 0:
            raise ValueError("a pool needs at least one fluorophore")
        self.sites = torch.as_tensor(self.points, dtype=torch.float32)
        self.calibration_field_nm = self.field_nm

    def rate(self, density: Tensor) -> Tensor:
        """Mean emitters of a frame ``[B]``, those outside the field included."""
        if self.emitters is None:
            return super().rate(density)
        x, y = self.sites[:, 0], self.sites[:, 1]
        width, height = self.field_nm
        inside = float(((x >= 0) & (x < width) & (y >= 0) & (y < height)).float().mean())
        return torch.full((len(density),), self.emitters / max(inside, 1e-6))

    def draw_at(self, rate: Tensor, field_nm: tuple[float, float], generator: torch.Generator) -> Emitters:
        """Fluorophores, ``rate`` in each frame; each at most once."""
        sites = self.sites.to(generator.device)
        counts = poisson(rate, generator)
        site = torch.randint(len(sites), (int(counts.sum()),), generator=generator, device=generator.device)
        chosen = torch.unique(torch.repeat_interleave(counts) * len(sites) + site)
        z = sites[:, 2]
        return seen(
            sites[chosen % len(sites)], chosen // len(sites), len(rate), field_nm, (float(z.min()), float(z.max()))
        )


def _apart(frame: Tensor, place: Tensor, mark: Tensor, batch: int, side: float) -> Tensor:
    """Indices of the copies whose mark is the lowest in their own cell of this side and the eight around it."""
    cell = ((place - place.amin(dim=0)) / side).long()
    columns, rows = (int(most) + 1 for most in cell.amax(dim=0))
    lowest = torch.full((batch * rows * columns,), math.inf, device=mark.device)
    index = (frame * rows + cell[:, 1]) * columns + cell[:, 0]
    lowest.scatter_reduce_(0, index, mark, "amin")
    around = -torch.nn.functional.max_pool2d(-lowest.view(batch, 1, rows, columns), 3, stride=1, padding=1)
    return torch.nonzero(mark <= around.flatten()[index])[:, 0]
