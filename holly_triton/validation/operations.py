"""The rotations and reflections that may map a cloud onto itself, and which of them its second moments allow."""

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from holly_triton.core.types import Array
from holly_triton.geometry.plane import plane_frame
from holly_triton.geometry.pointset import hemisphere

LARGEST_ORDER = 12
DIRECTIONS = 600
"""Start axes over the hemisphere, about 3 degrees from the nearest."""
MOMENTS_APART = 6.0
"""Of two equal moments, in changes of the covariance (``conceivable``): 2 and twice 1.93."""


class Kind(NamedTuple):
    """A rotation by a part of a full turn, or a reflection, whose axis or normal is free."""

    name: str
    copies: int
    sign: int
    angle: float

    def matrices(self, axes: Array) -> Array:
        """The operation about unit axes ``[D, 3]``: ``[D, 3, 3]``. A mirror is half a turn, negated."""
        return np.asarray(self.sign * Rotation.from_rotvec(self.angle * axes).as_matrix())

    def start_axes(self, cloud: Array) -> Array:
        """Axes from which the best is searched ``[D, 3]``."""
        frame, angles = plane_frame(cloud), np.linspace(0, np.pi, DIRECTIONS)
        if frame is None:
            return np.concatenate([np.linalg.svd(cloud, full_matrices=False)[2], hemisphere(DIRECTIONS)])
        if self.sign > 0:
            return frame[:, 2:].T
        return np.stack([np.cos(angles), np.sin(angles)], axis=1) @ frame[:, :2].T


MIRROR = Kind("mirror", 2, -1, np.pi)
KINDS = [*(Kind(f"C{n}", n, 1, 2 * np.pi / n) for n in range(2, LARGEST_ORDER + 1)), MIRROR]


def conceivable(points: Array, tolerance: float) -> list[Kind]:
    """The kinds that the second moments of points ``[N, 3]`` allow; the others need no search.

    A rotation of order 3 or higher about a symmetry axis needs two equal moments. If images lie a distance d (root mean
    square) from points, the covariance C changes by at most ``e = 2 d s + d^2``, s squared being its largest moment. At order
    n that bounds the difference of the moments across the axis by ``e / sin(2 pi / n)``, so by 2 e, and the part of C
    that couples axis and plane by ``e / (2 sin(pi / n))``, so by 1.93 e, which shifts each of both by as much.

    Args:
        points: ``[N, 3]``.
        tolerance: The largest distance d of an operation that is looked for.
    """
    moments = np.linalg.eigvalsh(np.cov(points.T, bias=True))
    change = 2 * tolerance * np.sqrt(moments[2]) + tolerance**2
    possible = np.diff(moments).min() <= MOMENTS_APART * change
    return [kind for kind in KINDS if kind.copies == 2 or possible]
