"""Rotation-invariant features: the power of a density's spherical harmonics on shells (Kazhdan et al. 2003; Xu et al. 2009).

On a shell of radius r about the box's centre ``f(r, theta, phi) = sum_lm c_lm(r) Y_lm``, and a rotation mixes only
coefficients of the same degree l, so that ``e_l(r) = sqrt(sum_m |c_lm(r)|^2)`` doesn't change. The missing wedge, noise and
a particle off the centre change it.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from scipy.special import factorial, lpmv, roots_legendre
from torch import Tensor
from torch.nn import functional

from holly_triton.geometry.volumes import centre


def invariants(volumes: Tensor, degree: int) -> Tensor:
    """Features ``[B, R (degree + 1)]`` of volumes ``[B, n, n, n]``, for shells of 1, 2, ... R voxels; R is the largest that fits.

    The value on a shell is interpolated from the nearest eight voxels.
    """
    size = volumes.shape[-1]
    shells = (size - 1) // 2
    directions, analysis = _quadrature(degree)
    directions, analysis = directions.to(volumes.device), analysis.to(volumes.device)
    radii = torch.arange(1, shells + 1, device=volumes.device, dtype=torch.float32)
    places = radii[:, None, None] * directions + centre(size)  # [R, K, 3] x y z, in voxels
    grid = (2 * places / (size - 1) - 1).expand(len(volumes), 1, -1, -1, -1).flatten(2, 3)[:, :, :, None]
    values = functional.grid_sample(volumes[:, None], grid, align_corners=True)  # [B, 1, 1, R K, 1]
    coefficients = values.reshape(len(volumes), shells, -1) @ analysis  # [B, R, M], real and imaginary parts apart
    # A degree has real and imaginary parts of degree + 1 orders.
    degrees = torch.split(coefficients, [2 * (order + 1) for order in range(degree + 1)], dim=-1)
    return torch.stack([part.norm(dim=-1) for part in degrees], dim=-1).flatten(1)


@lru_cache
def _quadrature(degree: int) -> tuple[Tensor, Tensor]:
    """Directions ``[K, 3]`` and what makes coefficients of the values there ``[K, 2 (degree + 1) (degree + 2) / 2]``.

    Gauss-Legendre nodes in cos theta and even steps in phi integrate products of two harmonics up to this degree exactly.
    Coefficients of negative order are the conjugates of those of positive order, whose power is therefore counted twice.
    """
    cosine, weight = roots_legendre(degree + 1)
    turns = 2 * degree + 2
    phi = 2 * math.pi * np.arange(turns) / turns
    theta, phi = (part.ravel() for part in np.meshgrid(np.arccos(cosine), phi, indexing="ij"))
    area = np.repeat(weight, turns) * 2 * math.pi / turns
    columns = []
    for order in range(degree + 1):
        for m in range(order + 1):
            scale = math.sqrt((2 * order + 1) / (4 * math.pi) * factorial(order - m) / factorial(order + m))
            share = math.sqrt(1 if m == 0 else 2) * scale * area * lpmv(m, order, np.cos(theta))
            columns += [share * np.cos(m * phi), -share * np.sin(m * phi)]
    sine = np.sin(theta)
    directions = np.stack([sine * np.cos(phi), sine * np.sin(phi), np.cos(theta)], axis=1)
    return torch.from_numpy(directions).float(), torch.from_numpy(np.stack(columns, axis=1)).float()
