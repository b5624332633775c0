"""The symmetry group of a known structure: what poses are scored modulo."""

import numpy as np
from scipy.spatial.transform import Rotation

from holly_triton.core.types import Array
from holly_triton.geometry.plane import plane_frame
from holly_triton.geometry.pointset import spacing

from .angular_order import SIGNIFICANT, shape_order
from .operations import conceivable
from .shape import fit_shape
from .symmetry import MOST_POINTS, find_symmetries, self_distance

EXACT = 0.05
"""RMSD of a symmetry operation of a noise-free truth, as a fraction of the point spacing; larger values are no symmetry."""
ALIKE = 0.02
"""Largest difference between entries of two matrices that are one operation."""
TIE = 1e-6
"""Distances from the centroid that differ by less, of themselves, are the same but for rounding."""
LARGEST = 240
"""More operations than the largest point group here (icosahedral with reflections, 120): a continuous symmetry."""


def find_group(points: Array) -> Array:
    """Every rotation and reflection through the centroid that maps the points onto themselves, identity first.

    Products of the operations that ``find_symmetries`` finds, as long as each still leaves the points exactly where
    they were. Rotations of a higher order than 12 are found only as such products.

    Args:
        points: ``[N, 3]``, at least 4, without noise.

    Returns:
        ``[G, 3, 3]``, determinant +1 or -1: ``symmetry`` of ``pose_error.find_pose_error``.

    Raises:
        ValueError: as ``find_symmetries``.
    """
    outer = _outermost(points)
    plane = plane_frame(outer)
    exact = EXACT * spacing(outer)
    kinds = conceivable(outer, exact)
    generators = [s.matrix for s in find_symmetries(outer, kinds=kinds) if s.rmsd_nm <= exact]
    if plane is not None:
        generators.append(np.eye(3) - 2 * np.outer(plane[:, 2], plane[:, 2]))
    limit = EXACT * spacing(points)
    generators = [matrix for matrix in generators if self_distance(points, matrix) <= limit]
    group = [np.eye(3)]
    for element in group:  # grows while it is read
        for generator in generators:
            product = generator @ element
            known = any(np.abs(product - other).max() < ALIKE for other in group)
            if not known and len(group) < LARGEST and self_distance(outer, product) <= limit:
                group.append(product)
    return np.stack(group)


def _outermost(points: Array) -> Array:
    """The points farthest from the centroid, ties included: rotations map them only onto each other."""
    distance = np.linalg.norm(points - points.mean(axis=0), axis=1)
    least = np.sort(distance)[-min(MOST_POINTS, len(points))]
    return np.asarray(points[distance >= least * (1 - TIE)])


def find_turns_of(points: Array) -> Array:
    """Rotations about its axis that map a structure, known only from noisy localisations, onto itself; identity first.

    Args:
        points: ``[M, 3]``, pooled from many particles.

    Returns:
        ``[G, 3, 3]``: the rotations of the dominant order among angles about the axis of a ring or cylinder, or the
        identity alone.
    """
    shape = fit_shape(points)
    order = None if shape is None or shape.against else shape_order(shape, points)
    if shape is None or order is None or order.chance > SIGNIFICANT:
        return np.eye(3)[None]
    angles = 2 * np.pi / order.order * np.arange(order.order)
    return np.asarray(Rotation.from_rotvec(angles[:, None] * shape.fit.frame[:, 2]).as_matrix())
