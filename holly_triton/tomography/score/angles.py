"""The angle between two orientations of a symmetric particle."""

import numpy as np

from holly_triton.core.types import Array


def angles_between(found: Array, true: Array, group: Array | None = None) -> Array:
    """The least angle by which a found orientation would have to be turned to agree with the true one ``[K]``, degrees.

    Args:
        found: Active rotations from the reference into the tomogram ``[K, 3, 3]``; rows with NaN give NaN.
        true: Likewise.
        group: Rotations of the reference's point group ``[G, 3, 3]``: ``true @ g`` is as right as ``true``. None for no symmetry;
            none at all, G = 0, for a sphere, whose angles are NaN.
    """
    if group is not None and len(group) == 0:
        return np.full(len(found), np.nan)
    # |A - B|^2 = 8 sin^2(angle / 2) keeps the digits that the trace loses at small angles.
    nearest = np.full(len(found), np.inf)
    for operation in np.eye(3)[None] if group is None else group:
        nearest = np.minimum(nearest, np.linalg.norm(found - true @ operation, axis=(1, 2)))
    return np.asarray(np.rad2deg(2 * np.arcsin(np.minimum(nearest / 8**0.5, 1))))
