"""The plane of a flat point set, such as a reconstruction from particles that all show the same side."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FLAT = 1e-4
"""Thickness, of the extent, below which a structure has no depth beyond rounding."""


def plane_frame(points: Array) -> Array | None:
    """The frame of the plane that points ``[N, 3]`` lie in; None if they lie in no plane, or in one line.

    Returns:
        ``[3, 3]``, a rotation: all of ``points @ frame`` have one z. It points to where z did, so that a structure that
        was seen from one side is still seen from that side.
    """
    centred = points - points.mean(axis=0)
    squares, axes = np.linalg.eigh(centred.T @ centred)  # ascending
    thin = squares <= FLAT**2 * squares[2]
    if not thin[0] or thin[1]:
        return None
    right, normal = axes[:, 2], axes[:, 0] * (-1 if axes[2, 0] < 0 else 1)
    return np.stack([right, np.cross(normal, right), normal], axis=1)
