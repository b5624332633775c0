"""Canonical orientation for display. The frame in which training ends is arbitrary."""

from typing import NamedTuple

import numpy as np

from holly_triton.core.types import Array
from holly_triton.geometry.plane import plane_frame
from holly_triton.validation.shape import fit_shape, some_of, without_outliers


class Upright(NamedTuple):
    """A frame for drawing points: ``points @ frame`` has x right, y down and z into the picture."""

    frame: Array
    """``[3, 3]``, a rotation, so that handedness is kept."""
    front: str
    """Title of its front view."""


def upright(points_nm: Array) -> Upright:
    """The frame for display: a structure's axis along the line of sight, its longest extent across to the right.

    The axis is that of a ring, torus or cylinder or, where none fits, the shortest principal axis. Along the
    line of sight and to the right, the longer tail (third moment) comes last, so the points alone determine the signs; where
    both ends are equal, either may come first, but the same points always give the same frame. A flat structure keeps its
    viewing direction.

    Args:
        points_nm: ``[N, 3]`` finite, N >= 1.
    """
    kept = without_outliers(np.asarray(points_nm, dtype=np.float64))
    centred = kept - kept.mean(axis=0)
    squares, principal = np.linalg.eigh(centred.T @ centred)  # ascending
    in_line = squares[1] <= 1e-12 * squares[2]
    shape = None if in_line else fit_shape(some_of(kept, np.random.default_rng(0)))
    found, flat = shape is not None and not shape.against, plane_frame(kept)
    along = shape.fit.frame[:, 2] if shape is not None and found else principal[:, 0]
    along = _towards_longer_tail(centred, along) if flat is None else flat[:, 2]
    across = centred - np.outer(centred @ along, along)
    right = _towards_longer_tail(centred, np.linalg.eigh(across.T @ across)[1][:, 2])
    frame = np.stack([right, np.cross(along, right), along], axis=1)
    return Upright(frame, "Front, along its axis" if found else "Front")


def _towards_longer_tail(centred: Array, axis: Array) -> Array:
    return axis if ((centred @ axis) ** 3).sum() >= 0 else -axis
