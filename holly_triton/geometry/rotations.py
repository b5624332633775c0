"""Rotations: random ones, limits of the tilt, conversions, projection of points; and the mirror image of a cloud."""

import math

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.types import Array

SMALLEST = 1e-30
"""An angle in place of 0: its sine over itself is 1."""


def random_rotations(count: int, generator: torch.Generator, largest_tilt: float = math.pi) -> Tensor:
    """Rotations drawn uniformly from SO(3), ``[count, 3, 3]`` float32, on the generator's device.

    With a ``largest_tilt``, radians, they are uniform among those that keep z within this angle of the line of sight.

    A quaternion with normal components is uniform on the 3-sphere, which covers SO(3) evenly (Shoemake 1992).
    """
    quaternion = torch.randn(count, 4, generator=generator, device=generator.device)
    quaternion = torch.nn.functional.normalize(quaternion, dim=1)[..., None]
    rotation = _turned(torch.eye(3, device=generator.device)[None], quaternion[:, :1], 2 * quaternion[:, 1:])
    if largest_tilt >= math.pi:
        return rotation
    # On a sphere, area is proportional to the range of the cosine, so that range is scaled linearly to that of the cap.
    part = (1 - math.cos(largest_tilt)) / 2
    return _with_tilt(rotation, (1 - part * (1 - rotation[:, 2, 2])).acos())


def limit_tilt(rotation: Tensor, largest_tilt: float) -> Tensor:
    """Rotations ``[..., 3, 3]``, those with a larger tilt than this, radians, reduced to it by the smallest rotation."""
    if largest_tilt >= math.pi:
        return rotation
    return _with_tilt(rotation, rotation[..., 2, 2].clamp(-1, 1).acos().clamp(max=largest_tilt))


def _with_tilt(rotation: Tensor, tilt: Tensor) -> Tensor:
    """Rotations ``[..., 3, 3]`` changed by the smallest rotation so that z is ``tilt`` ``[...]``, radians, off the line of sight."""
    x, y, z = rotation[..., 2].unbind(-1)
    axis = torch.nn.functional.normalize(torch.stack([y, -x, torch.zeros_like(x)], dim=-1), dim=-1)
    return turned(rotation, (z.clamp(-1, 1).acos() - tilt)[..., None] * axis)


def compose(second: Tensor, first: Tensor) -> Tensor:
    """Matrices ``[..., 3, 3]`` multiplied, ``second @ first``: the rotation ``first`` is applied before ``second``.

    It is written as multiply-adds because a matrix product may run in TF32, which rounds its inputs to 10 bits: a rotation
    that is updated in every step of a run would then grow by several per cent.
    """
    x, y, z = (second[..., :, k, None] * first[..., None, k, :] for k in range(3))  # column k times row k
    return x + y + z


def orthonormalised(rotation: Tensor) -> Tensor:
    """Matrices ``[..., 3, 3]`` with rounding errors, made orthonormal again (Gram-Schmidt on the rows)."""
    x = torch.nn.functional.normalize(rotation[..., 0, :], dim=-1)
    y = rotation[..., 1, :] - (rotation[..., 1, :] * x).sum(-1, keepdim=True) * x
    y = torch.nn.functional.normalize(y, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-2)


def orthonormality_error(rotation: Tensor) -> float:
    """The largest element of ``|R R^T - 1|`` of matrices ``[..., 3, 3]``; 0 for none."""
    product = compose(rotation, rotation.transpose(-1, -2))
    error = (product - torch.eye(3, dtype=rotation.dtype, device=rotation.device)).abs()
    return float(error.max()) if error.numel() else 0.0


def rotation_from_axis_angle(axis_angle: Tensor) -> Tensor:
    """Axis-angle vectors ``[..., 3]`` in radians to matrices ``[..., 3, 3]``, differentiable at zero."""
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return turned(identity.expand(*axis_angle.shape[:-1], 3, 3), axis_angle)


def turned(rotation: Tensor, axis_angle: Tensor) -> Tensor:
    """Rotations ``[..., 3, 3]`` followed by those of axis-angle vectors ``[..., 3]``, radians; differentiable at zero.

    Leading axes, of which both have the same number, broadcast.
    """
    half = (0.5 * torch.linalg.vector_norm(axis_angle, dim=-1))[..., None, None].clamp_min(SMALLEST)
    return _turned(rotation, half.cos(), axis_angle[..., None] * (half.sin() / half))


def _turned(rotation: Tensor, real: Tensor, twice: Tensor) -> Tensor:
    """Rotations followed by those of unit quaternions: real part ``[..., 1, 1]``, twice the vector part ``[..., 3, 1]``.

    A column c becomes ``c + 2 w (v x c) + 2 v x (v x c)``. Few operations matter here: on a GPU each of them is a launch.
    """
    once = torch.linalg.cross(twice, rotation, dim=-2)
    return torch.add(torch.addcmul(rotation, real, once), torch.linalg.cross(twice, once, dim=-2), alpha=0.5)


def axis_angle_from_rotation(rotation: Array) -> Array:
    """Matrices ``[P, 3, 3]`` to axis-angle ``[P, 3]`` in radians, for files."""
    from scipy.spatial.transform import Rotation  # takes longer to import than info for a table of 10 MB

    axis_angle: Array = Rotation.from_matrix(np.asarray(rotation, dtype=np.float64)).as_rotvec()
    return axis_angle


def project(points: Tensor, rotation: Tensor) -> Tensor:
    """Projections of points ``[N, 3]`` under rotations ``[B, 3, 3]``: positions in the picture ``[B, N, 2]``, same unit."""
    # Multiply-adds as in ``compose``: TF32 would move a point by a thousandth of its distance from the centre.
    rows = rotation[:, None, :2]  # [B, 1, 2, 3]
    return rows[..., 0] * points[:, 0, None] + rows[..., 1] * points[:, 1, None] + rows[..., 2] * points[:, 2, None]


def mirror(points: Array) -> Array:
    """The mirror image of a cloud ``[N, 3]``: z -> -z."""
    mirrored: Array = points * np.array([1, 1, -1], dtype=points.dtype)
    return mirrored
