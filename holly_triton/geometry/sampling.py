"""Grids of rotations.

``rotation_grid`` is the super-Fibonacci spiral of Alexa 2022 ("Super-Fibonacci Spirals: Fast, Low-Discrepancy Sampling of
SO(3)"), which has any number of members. Its angle is the side of the cube that each rotation has for itself in the space
of rotation vectors, whose volume is 8 pi^2 for all of SO(3): 12.8 degrees are 7082 rotations, 7 degrees are 43 298, within
a few per cent of the lists of PyTom. A rotation drawn at random is half of the angle from the nearest of the grid on
average and 0.9 of it at most; with a symmetry up to 1.2 of it at most. A HEALPix axis with as many in-plane turns, each
shifted by the azimuth of its axis, was 2 per cent nearer on average and 4 per cent farther at most.
"""

import math

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from .groups import point_group

PHI, PSI = math.sqrt(2), 1.533751168755204288118041413
"""The two constants of Alexa 2022; the latter is the real root of psi^4 = psi + 4."""
SAME = 1e-9
"""Quaternions whose scalar parts differ by less are as far from the identity but for rounding."""


def grid_size(angle_deg: float) -> int:
    """Number of rotations of a grid over all of SO(3)."""
    return max(1, math.ceil(8 * math.pi**2 / math.radians(angle_deg) ** 3))


def rotation_grid(angle_deg: float, symmetry: str = "C1") -> Tensor:
    """Rotations spread evenly over SO(3) ``[R, 3, 3]``, float32.

    Args:
        angle_deg: Side of the cube of rotation vectors that each has for itself.
        symmetry: Point group of the reference. Of the rotations R @ g, which turn the reference alike, the one with the
            smallest angle is kept, so that there are fewer by the order of the group.

    Raises:
        ValueError: No such group is known.
    """
    count = grid_size(angle_deg)
    s = np.arange(count) + 0.5
    inner, outer = np.sqrt(s / count), np.sqrt(1 - s / count)
    first, second = 2 * math.pi * s / PHI, 2 * math.pi * s / PSI
    turns = np.stack([inner * np.sin(first), inner * np.cos(first), outer * np.sin(second), outer * np.cos(second)], 1)
    group = Rotation.from_matrix(point_group(symmetry).numpy().astype(np.float64)).as_quat()
    # The scalar part of the product of two quaternions, for each element: the larger, the smaller the angle.
    scalar = np.abs(turns[:, 3:] * group[:, 3] - turns[:, :3] @ group[:, :3].T)
    turns = turns[scalar[:, 0] >= scalar.max(1) - SAME]
    return torch.from_numpy(Rotation.from_quat(turns).as_matrix()).float()


def local_rotations(reach_deg: float, step_deg: float) -> Tensor:
    """Rotations about the identity by at most ``reach_deg`` ``[R, 3, 3]``, float32, the identity first.

    Their rotation vectors are a cubic lattice of this step.
    """
    many = math.floor(reach_deg / step_deg + 1e-6)
    ticks = np.arange(-many, many + 1) * step_deg
    vectors = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), -1).reshape(-1, 3)
    length = np.linalg.norm(vectors, axis=1)
    order = length.argsort(kind="stable")[: int((length <= reach_deg + 1e-6).sum())]
    return torch.from_numpy(Rotation.from_rotvec(vectors[order], degrees=True).as_matrix()).float()
