"""The log-density of a cloud's localisations on a cubic grid, in which candidate poses are looked up."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .mixture import Model

LARGEST_SIDE = 96
"""Voxels along an axis: finer grids cost more to fill than the poses gain by them."""


class Lookup(NamedTuple):
    """A log-density on a grid about the origin."""

    log_density: Tensor  # [D, D, D], z y x: log of the density in nm^-3
    voxel: float  # nm


def look_up(model: Model, variance: Tensor | float, half_nm: float, voxel_nm: float) -> tuple[Lookup, ...]:
    """The log-density of localisations whose precision is the same along every axis, of each channel.

    A blur that is another along the microscope's z counts at its mean over the axes.

    Args:
        model: The cloud.
        variance: Of a localisation, nm^2, in addition to the model's own.
        half_nm: Half the side of the grid; beyond it the density at its border counts.
        voxel_nm: Largest voxel, unless there were more than ``LARGEST_SIDE`` of them along an axis.
    """
    size = min(LARGEST_SIDE, max(2, math.ceil(2 * half_nm / voxel_nm)))
    voxel = 2 * half_nm / size
    axis = (torch.arange(size, device=model.points.device, dtype=model.points.dtype) - (size - 1) / 2) * voxel
    total = model.mean_variance + variance
    square = axis.square()
    squares = square[:, None, None] + square[:, None] + square
    background = model.share / (2 * math.pi * model.spread) ** 1.5 * (squares / (-2 * model.spread)).exp()
    grids = []
    for points in model.of_channels:
        along = ((axis - points.T[..., None]).square() / (-2 * total)).exp()  # [3, N, D]
        plane = (along[2, :, :, None] * along[1, :, None]).flatten(1)  # [N, D * D]
        density = (plane.T @ along[0]).view(size, size, size)
        density *= (1 - model.share) / (len(points) * (2 * math.pi * total) ** 1.5)
        density += background
        grids.append(Lookup(density.clamp_min_(torch.finfo(density.dtype).tiny).log_(), voxel))
    return tuple(grids)
