"""The log-density of a cloud's projections, in which candidate poses of flat particles are looked up."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.particles.spatial.mixture import Model, Padded

SMALLEST_SIDE, LARGEST_SIDE = 16, 64
"""Pixels along an axis: candidates are compared at a coarse blur, which finer grids would not show better."""


class Projections(NamedTuple):
    """Log-densities of R projections on grids about the origin."""

    log_density: Tensor  # [R, 1, D, D], y x: log of the density in nm^-2
    half_nm: float  # half the side of a grid; beyond it the density at its border counts


def project(model: Model, rotation: Tensor, variance: float, half_nm: float, pixel_nm: float) -> Projections:
    """The log-density of localisations of equal precision, projected in some orientations.

    Args:
        model: The cloud.
        rotation: ``[R, 3, 3]``.
        variance: Of a localisation, nm^2, in addition to the model's own.
        half_nm: Half the side of a grid.
        pixel_nm: Wanted size of a pixel; the number of pixels stays within the bounds of this module.
    """
    size = min(LARGEST_SIDE, max(SMALLEST_SIDE, math.ceil(2 * half_nm / pixel_nm)))
    axis = (torch.arange(size, device=rotation.device, dtype=model.points.dtype) - (size - 1) / 2) * (
        2 * half_nm / size
    )
    total = model.variance + variance
    places = rotation[:, :2] @ model.points.T  # [R, 2, N]
    along = ((axis - places[..., None]).square() / (-2 * total)).exp()  # [R, 2, N, D]
    density = along[:, 1].transpose(1, 2) @ along[:, 0]
    density *= (1 - model.share) / (len(model.points) * 2 * math.pi * total)
    square = axis.square()
    squares = square[:, None] + square
    density += model.share / (2 * math.pi * model.spread) * (squares / (-2 * model.spread)).exp()
    return Projections(density.clamp_min_(torch.finfo(density.dtype).tiny).log_()[:, None], half_nm)


def scores(projections: Projections, data: Padded, shift: Tensor) -> Tensor:
    """Log-likelihood ``[B, R, S]`` of B particles in R orientations, each with S shifts ``[B, R, S, 2]``, nm."""
    B, R, S = shift.shape[:3]
    places = (data.xyz[:, None, None] - shift[:, :, :, None]) / projections.half_nm  # [B, R, S, M, 2]
    places = places.transpose(0, 1).reshape(R, B * S, -1, 2)
    found = torch.nn.functional.grid_sample(
        projections.log_density, places, align_corners=False, padding_mode="border"
    )  # [R, 1, B * S, M]
    return (found.view(R, B, S, -1) * data.mask[:, None]).sum(-1).transpose(0, 1)
