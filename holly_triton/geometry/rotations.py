"""Rotations: drawn at random, limited in tilt, converted, applied to points; and the mirror image of a cloud."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

Array = NDArray[Any]


def random_rotations(count: int, generator: torch.Generator, largest_tilt: float = math.pi) -> Tensor:
    """Rotations drawn uniformly from SO(3), ``[count, 3, 3]`` float32, on the generator's device.

    With a ``largest_tilt``, radians, uniformly from those that keep z within it of the line of sight.

    A quaternion with normal components is uniform on the 3-sphere, which covers SO(3) evenly (Shoemake 1992).
    """
    quaternion = torch.randn(count, 4, generator=generator, device=generator.device)
    w, x, y, z = torch.nn.functional.normalize(quaternion, dim=1).unbind(1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    rotation = torch.stack(rows, dim=1).view(count, 3, 3)
    if largest_tilt >= math.pi:
        return rotation
    # On a sphere equal areas are equal parts of the cosine, so that of the whole shrinks evenly to that of the cap.
    part = (1 - math.cos(largest_tilt)) / 2
    return _with_tilt(rotation, (1 - part * (1 - rotation[:, 2, 2])).acos())


def limit_tilt(rotation: Tensor, largest_tilt: float) -> Tensor:
    """Rotations ``[..., 3, 3]``, turned back the shortest way where z is farther than this, radians, off the line of sight."""
    if largest_tilt >= math.pi:
        return rotation
    return _with_tilt(rotation, rotation[..., 2, 2].clamp(-1, 1).acos().clamp(max=largest_tilt))


def _with_tilt(rotation: Tensor, tilt: Tensor) -> Tensor:
    """Rotations ``[..., 3, 3]`` turned the shortest way until z is ``tilt`` ``[...]``, radians, off the line of sight."""
    x, y, z = rotation[..., 2].unbind(-1)
    axis = torch.nn.functional.normalize(torch.stack([y, -x, torch.zeros_like(x)], dim=-1), dim=-1)
    return rotation_from_axis_angle((z.clamp(-1, 1).acos() - tilt)[..., None] * axis) @ rotation


def rotation_from_axis_angle(axis_angle: Tensor) -> Tensor:
    """Axis-angle vectors ``[..., 3]`` in radians to matrices ``[..., 3, 3]`` (Rodrigues), differentiable at zero."""
    x, y, z = axis_angle.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(*x.shape, 3, 3)
    squared = (axis_angle * axis_angle).sum(-1)[..., None, None]
    # Below 1e-4 rad the series is exact in float32, and sqrt would have an infinite slope at zero.
    small = squared < 1e-8
    angle = torch.where(small, torch.ones_like(squared), squared).sqrt()
    sine = torch.where(small, 1 - squared / 6, angle.sin() / angle)
    versine = torch.where(small, 0.5 - squared / 24, (1 - angle.cos()) / angle**2)
    rotation: Tensor = torch.eye(3, dtype=x.dtype, device=x.device) + sine * cross + versine * (cross @ cross)
    return rotation


def axis_angle_from_rotation(rotation: Array) -> Array:
    """Matrices ``[P, 3, 3]`` to axis-angle ``[P, 3]`` in radians, for files."""
    axis_angle: Array = Rotation.from_matrix(np.asarray(rotation, dtype=np.float64)).as_rotvec()
    return axis_angle


def project(points: Tensor, rotation: Tensor) -> Tensor:
    """Points ``[N, 3]`` seen under rotations ``[B, 3, 3]``: positions in the picture ``[B, N, 2]``, same unit."""
    return points @ rotation[:, :2].transpose(1, 2)


def mirror(points: Array) -> Array:
    """The other hand of a cloud ``[N, 3]``: z -> -z."""
    mirrored: Array = points * np.array([1, 1, -1], dtype=points.dtype)
    return mirrored
