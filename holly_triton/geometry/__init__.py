"""The conventions of the whole project, stated once, and the rotations and grids that follow from them.

Lengths are nm everywhere but in ``kernels/``, which works in pixels; ``Grid`` alone converts.

Rotation acts first, then shift: ``xy = (R @ p)[:2] + t``. Axes are right-handed: x right, y down (the row
index), z into the picture. Rotations are matrices ``[..., 3, 3]``, written to files as axis-angle in radians.
A pixel (row i, column j) has its centre at (j, i); positions are relative to the picture's centre,
``((W-1)/2, (H-1)/2)``.

Projections do not determine handedness: the cloud mirrored by z -> -z, with every pose (rx, ry, rz) replaced by
(-rx, -ry, rz), gives the same pictures.
"""

from .grid import Grid
from .rotations import (
    axis_angle_from_rotation,
    compose,
    limit_tilt,
    mirror,
    orthonormalised,
    orthonormality_error,
    project,
    random_rotations,
    rotation_from_axis_angle,
    turned,
)

__all__ = [
    "Grid",
    "axis_angle_from_rotation",
    "compose",
    "limit_tilt",
    "mirror",
    "orthonormalised",
    "orthonormality_error",
    "project",
    "random_rotations",
    "rotation_from_axis_angle",
    "turned",
]
