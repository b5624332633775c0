"""A tomogram at the voxel size that a model was trained for."""

import math

import numpy as np
from scipy import ndimage

from holly_triton.core.types import Array

BLUR = 0.5
"""Standard deviation, in voxels of a side of 1, of the Gaussian that stands for the average over a voxel."""


def resampled(values: Array, factor: float) -> Array:
    """A volume ``[Z, Y, X]`` with voxels of ``factor`` times their side, by cubic splines; the first voxel keeps its centre.

    Positions in Å from the centre of the first voxel are thus the same. What larger voxels cannot hold is smoothed away first.
    """
    wide = np.asarray(values, np.float32)
    if factor > 1:
        wide = ndimage.gaussian_filter(wide, BLUR * math.sqrt(factor**2 - 1))
    shape = [math.floor((size - 1) / factor) + 1 for size in wide.shape]
    sampled: Array = ndimage.affine_transform(wide, np.full(3, factor), output_shape=tuple(shape), mode="nearest")
    return sampled
