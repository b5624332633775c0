"""Sizes and distances of point sets, and evenly spaced directions, in NumPy and any unit of length."""

import numpy as np
from scipy.spatial import cKDTree

from holly_triton.core.types import Array


def gyration(points: Array) -> float:
    """Radius of gyration of points ``[N, 3]``: root mean square distance from the centroid, in their unit."""
    return float(np.sqrt(np.square(points - points.mean(axis=0)).sum(axis=1).mean()))


def spacing(points: Array) -> float:
    """Root mean square distance of points ``[N, 3]``, N >= 2, to their nearest neighbour, in their unit.

    The root mean square rather than the median, which is zero where points lie in coincident pairs.
    """
    return float(np.sqrt(np.mean(cKDTree(points).query(points, k=2)[0][:, 1] ** 2)))


def hemisphere(count: int) -> Array:
    """Evenly spaced unit vectors ``[count, 3]`` with z > 0, on a golden spiral (equal areas)."""
    z = (np.arange(count) + 0.5) / count
    angle = np.pi * (3 - 5**0.5) * np.arange(count)
    across = np.sqrt(1 - z**2)
    return np.stack([across * np.cos(angle), across * np.sin(angle), z], axis=1)
