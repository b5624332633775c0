"""The plane of a flat point set, such as a reconstruction from particles in a single orientation."""

import numpy as np

from holly_triton.core.types import Array

FLAT = 1e-4
"""Thickness, as a fraction of the extent, below which a structure has no depth beyond rounding."""


def plane_frame(points: Array) -> Array | None:
    """The frame of the plane that points ``[N, 3]`` lie in; None if they are not coplanar, or are collinear.

    Returns:
        ``[3, 3]``, a rotation: all of ``points @ frame`` have the same z. This z has a positive component along the old one,
        so that the viewing side of the structure is kept.
    """
    centred = points - points.mean(axis=0)
    squares, axes = np.linalg.eigh(centred.T @ centred)  # ascending
    thin = squares <= FLAT**2 * squares[2]
    if not thin[0] or thin[1]:
        return None
    right, normal = axes[:, 2], axes[:, 0] * (-1 if axes[2, 0] < 0 else 1)
    return np.stack([right, np.cross(normal, right), normal], axis=1)
