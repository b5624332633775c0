"""Nominal density: how many random emitters per square micrometre would have neighbours as near as these.

Emitters on a structure lie nearer to one another than random ones of the same number. Abdehkakha and Snoeyink 2023 therefore
count density by the mean distance to the nearest neighbour in the picture (Byth and Ripley 1980, Biometrics 36, 279). Its
expectation for n random points in a field of area A and perimeter P, edges included, is that of Donnelly 1978 (in Hodder,
Simulation Studies in Archaeology, 91): ``0.5 sqrt(A / n) + (0.0514 + 0.041 / sqrt(n)) P / n``.
"""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.spatial import cKDTree

from holly_triton.core.types import Array

LEAST, MOST = 1e-6, 1e12
"""Numbers of random emitters within which that of a distance is sought."""


def expected_distance(emitters: float, field_nm: tuple[float, float]) -> float:
    """Mean distance in nm to the nearest neighbour among random emitters of this number in a field (Donnelly)."""
    width, height = field_nm
    edge = (0.0514 + 0.041 / math.sqrt(emitters)) * 2 * (width + height) / emitters
    return 0.5 * math.sqrt(width * height / emitters) + edge


def random_number(distance_nm: float, field_nm: tuple[float, float]) -> float:
    """The inverse of ``expected_distance``: the number of random emitters, not whole, at this mean distance."""
    if not expected_distance(MOST, field_nm) < distance_nm < expected_distance(LEAST, field_nm):
        return MOST if distance_nm <= expected_distance(MOST, field_nm) else LEAST
    exponent = brentq(
        lambda log: expected_distance(math.exp(log), field_nm) - distance_nm,
        math.log(LEAST),
        math.log(MOST),
        xtol=1e-10,
    )
    return math.exp(exponent)


def neighbour_distance(xy: Array, offsets: Array) -> float:
    """Mean over frames of the mean distance to the nearest neighbour, nm; NaN where no frame has two emitters.

    Args:
        xy: ``[E, 2]`` nm, frame after frame.
        offsets: ``[B + 1]``: the emitters of frame b are ``offsets[b]`` to ``offsets[b + 1] - 1``.
    """
    counts = np.diff(offsets)
    frame = np.repeat(np.arange(len(counts)), counts)
    several = counts[frame] >= 2
    if not several.any():
        return math.nan
    # One search for all frames, as far apart in a third direction as no two emitters of a frame are.
    places = np.column_stack([xy, frame * (1.0 + 10 * np.ptp(xy, axis=0).max())])[several]
    distance = cKDTree(places).query(places, k=2)[0][:, 1]
    sums = np.bincount(frame[several], distance, minlength=len(counts))
    return float((sums[counts >= 2] / counts[counts >= 2]).mean())


def nominal_density(xy: Array, offsets: Array, field_nm: tuple[float, float]) -> float:
    """Nominal emitters per square micrometre of frames, given as ``neighbour_distance`` takes them; NaN where that is."""
    distance = neighbour_distance(xy, offsets)
    width, height = field_nm
    return math.nan if math.isnan(distance) else random_number(distance, field_nm) / (width * height / 1e6)
