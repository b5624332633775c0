"""The sign of the contrast: whether particles are darker or brighter than their surroundings."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter

from holly_triton.core.types import Array
from holly_triton.tomography.config.inspection import (
    CONTRAST_PARTS,
    CONTRAST_SIDE,
    LEAST_AGREEMENT,
    LEAST_ERRORS,
    SCALES,
    SMALLEST_SIDE,
)

CORRELATED = (4 * np.pi / 3) ** 1.5
"""The skewness of Gaussian noise has the variance 6 / N of N independent values. In noise smoothed by a Gaussian of s voxels
the sum of the cubed correlations is this times s**3, and so many voxels count as one (the wider Gaussian is taken for s)."""


@dataclass(frozen=True)
class ContrastFound:
    """What the skewness of a volume shows.

    Attributes:
        sign: ``dark`` or ``bright`` particles; None where this is not sure.
        skewness: of the band-passed volume, at the scale at which it differs most from that of noise.
        errors: its distance from 0 in standard errors of the skewness of noise.
        agreement: share of the parts' absolute contributions to the skewness that has this sign; about half in noise.
        scale: of blobs, voxels.
    """

    sign: Literal["dark", "bright"] | None
    skewness: float
    errors: float
    agreement: float
    scale: float

    @property
    def sure(self) -> bool:
        """Whether it is not that of noise, and the parts agree."""
        return abs(self.errors) >= LEAST_ERRORS and self.agreement >= LEAST_AGREEMENT


def find_contrast(values: Array) -> ContrastFound | None:
    """The sign of a volume's contrast; None if it is too thin or constant.

    Particles fill less than half of a volume, so that blobs of their sign are fewer and stronger than those of the other:
    what a band-pass keeps is skewed towards them. Scales that are both sure and of different signs leave the sign open.
    """
    if min(values.shape) < SMALLEST_SIDE:
        return None
    middle = tuple(
        slice((side - min(side, CONTRAST_SIDE)) // 2, (side + min(side, CONTRAST_SIDE)) // 2) for side in values.shape
    )
    part = values[middle] - values[middle].mean(dtype=np.float64)
    spread = float(part.std())
    if spread == 0:
        return None
    part = (part / spread).astype(np.float32)
    found = [_at_scale(part, scale) for scale in SCALES if 4 * scale <= min(part.shape)]
    best = max(found, key=lambda one: (one.sure, abs(one.errors)))
    signs = {np.sign(one.errors) for one in found if one.sure}
    if len(signs) != 1:
        return best
    return replace(best, sign="bright" if best.errors > 0 else "dark")


def _at_scale(values: Array, scale: float) -> ContrastFound:
    band = gaussian_filter(values, scale) - gaussian_filter(values, 2 * scale)
    band -= band.mean()
    spread = max(float(np.sqrt(np.mean(band**2))), float(np.finfo(np.float32).tiny))
    cubes = (band / spread) ** 3
    skewness = float(cubes.mean())
    parts = [
        float(piece.sum())
        for layer in np.array_split(cubes, CONTRAST_PARTS, axis=0)
        for row in np.array_split(layer, CONTRAST_PARTS, axis=1)
        for piece in np.array_split(row, CONTRAST_PARTS, axis=2)
    ]
    agreement = sum(abs(part) for part in parts if part * skewness > 0) / max(sum(map(abs, parts)), 1e-12)
    return ContrastFound(None, skewness, skewness / _error(band.size, scale), agreement, scale)


def _error(voxels: int, scale: float) -> float:
    """Standard error of the skewness of noise."""
    return float(np.sqrt(6 * CORRELATED * (2 * scale) ** 3 / voxels))
