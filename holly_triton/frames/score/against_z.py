"""Recall and errors as functions of an emitter's z, as the SMLM challenge 2016 draws them (its ``assessment_graph``).

Emitters are sorted into 50 bins of z. The recall is smoothed over five bins with a Gaussian window of one bin's standard
deviation; bins without emitters count as 0 in it. The z range is the full width at half of the largest recall, and the
consolidated one that width times the largest recall of the smoothed curve.
"""

from typing import NamedTuple

import numpy as np

from holly_triton.core.types import Array, Figures

BINS = 50
HALF_RANGE_NM = 750.0
"""The challenge's range of z, -750 to 750 nm; that of the truth is used where it is wider."""
WINDOW = np.exp(-0.5 * np.arange(-2, 3) ** 2)
"""The Gaussian window over the recall: five bins."""


class AgainstZ(NamedTuple):
    """Figures of the emitters in each bin of z ``[Z]``; NaN in bins without any."""

    z: Array
    """Centres of the bins, nm."""
    emitters: Array
    recall: Array
    smooth_recall: Array
    rmse_lateral: Array
    rmse_axial: Array
    low: float
    high: float
    """The range of z at half of the largest recall, nm."""
    consolidated: float
    """Width of that range times the largest smoothed recall, nm."""

    def figures(self) -> Figures:
        """As JSON has them."""
        curves = {name: getattr(self, name).tolist() for name in self._fields[:6]}
        return {**curves, "range": [self.low, self.high], "consolidated_range": self.consolidated}


def against_z(z: Array, found: Array, errors: Array) -> AgainstZ | None:
    """The figures by z; None without emitters.

    Args:
        z: Of each scored emitter ``[T]``, nm.
        found: Which of them were matched ``[T]``.
        errors: Localisation minus emitter of the matched ones ``[found.sum(), 3]``, nm.
    """
    known = np.isfinite(z)
    errors, z, found = errors[known[found]], z[known], found[known]
    if len(z) == 0:
        return None
    half = max(HALF_RANGE_NM, float(np.abs(z).max()))
    edges = np.linspace(-half, half, BINS + 1)
    place = np.clip(np.digitize(z, edges) - 1, 0, BINS - 1)
    emitters = np.bincount(place, minlength=BINS)
    matched = np.bincount(place[found], minlength=BINS)
    squares = [(errors[:, :2] ** 2).sum(axis=1), errors[:, 2] ** 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = matched / emitters
        lateral, axial = (np.sqrt(np.bincount(place[found], square, BINS) / matched) for square in squares)
    smooth = np.convolve(np.nan_to_num(recall), WINDOW / WINDOW.sum(), mode="same")
    centres = (edges[1:] + edges[:-1]) / 2
    held = centres[emitters > 0]
    low, high = _crossings(centres, smooth, float(np.nanmax(recall)) / 2)
    low, high = max(low, float(held[0])), min(high, float(held[-1]))
    consolidated = max(0.0, high - low) * float(smooth.max())
    return AgainstZ(centres, emitters, recall, smooth, lateral, axial, low, high, consolidated)


def _crossings(centres: Array, curve: Array, level: float) -> tuple[float, float]:
    """The outermost z at which a curve passes a level, interpolated; the ends where it is above the level there."""
    above = np.flatnonzero(curve >= level)
    if level <= 0 or len(above) == 0:
        return float("nan"), float("nan")
    first, last = int(above[0]), int(above[-1])
    low, high = float(centres[first]), float(centres[last])
    if first > 0:
        low = float(np.interp(level, curve[first - 1 : first + 1], centres[first - 1 : first + 1]))
    if last < len(curve) - 1:
        high = float(np.interp(level, curve[last : last + 2][::-1], centres[last : last + 2][::-1]))
    return low, high
