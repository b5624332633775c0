"""What a tomogram holds, ready to be drawn: particles by class, membranes in tiles, positions from the volume's centre."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor

from holly_triton.geometry.volumes import centre
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.config.simulation import DRAWN_SIGMA_PX, PATCH_SIGMAS, TILE_PX
from holly_triton.tomography.config.structures import SIGMA_PER_RESOLUTION
from holly_triton.tomography.structures import Density

from .membranes import Membrane
from .optics import spread
from .packing import Packed


class Group(NamedTuple):
    """Particles of one density."""

    density: Density
    rotation: Tensor
    """``[P, 3, 3]``."""
    position: Tensor
    """Of the centres of mass from the volume's centre, x, y, z in Å ``[P, 3]``."""


def excess_variance(voxel: float, resolution: float) -> float:
    """Variance in Å2 with which Gaussians are drawn beyond that of a resolution, so that none is too narrow for its grid.

    ``sharpening`` takes it back from the transform of everything drawn.
    """
    return max(0.0, (DRAWN_SIGMA_PX * voxel) ** 2 - (SIGMA_PER_RESOLUTION * resolution) ** 2)


def sharpening(square: Tensor, excess_px: float) -> Tensor:
    """What undoes a blur by a variance in square pixels, at squared frequencies in cycles per pixel.

    Beyond Nyquist, in the corners of a transform, it would raise nothing but rounding errors, and is 0.
    """
    return torch.exp(2 * math.pi**2 * excess_px * square) * (square <= 0.25)


def padding(side: int, optics: Optics, voxel: float) -> int:
    """Room on either side of a grid, so that transforms wrap nothing around into it and have a fast length."""
    room = math.ceil(PATCH_SIGMAS * DRAWN_SIGMA_PX + spread(optics, voxel) / voxel)
    while next_fast_len(side + 2 * room, real=True) > side + 2 * room:
        room += 1
    return room


def groups(packed: Packed, classes: list[Density], shape: tuple[int, int, int], voxel: float) -> Iterator[Group]:
    """The particles of each class, and the tiles of each membrane."""
    middle = torch.tensor([centre(side) * voxel for side in reversed(shape)], dtype=torch.float64)
    label = np.array(packed.label)
    for number, density in enumerate(classes, start=1):
        rows = np.flatnonzero(label == number)
        if len(rows):
            position = torch.from_numpy(np.stack([packed.position[row] for row in rows])) - middle
            yield Group(density, torch.from_numpy(np.stack([packed.rotation[row] for row in rows])), position.float())
    for membrane in packed.membranes:
        yield from _tiles(membrane, middle, TILE_PX * voxel)


def _tiles(membrane: Membrane, middle: Tensor, side: float) -> Iterator[Group]:
    cell = np.floor(membrane.points / side).astype(np.int64)
    x, y, _ = cell.max(0, initial=0) + 1
    tile = (cell[:, 2] * y + cell[:, 1]) * x + cell[:, 0]
    order = np.argsort(tile, kind="stable")
    borders = np.flatnonzero(np.diff(tile[order])) + 1
    for rows in np.split(order, borders):
        points, weights = membrane.points[rows], membrane.weights[rows]
        mass_centre = (points * weights[:, None]).sum(0) / weights.sum()
        density = Density.of("membrane", points, weights)
        yield Group(density, torch.eye(3)[None], (torch.from_numpy(mass_centre) - middle)[None].float())
