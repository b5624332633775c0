"""Isolated spots in frames, and their widths: for the comparison of a movie with what a method was made for."""

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter

from holly_triton.core.types import Array

from .config.likeness import SPOT_HALF_PX, SPOT_NEIGHBOUR, SPOT_ROUNDS, SPOT_SIGMA, SPOT_SMOOTHED_PX, WIDEST_SPOT_PX


def background_of(frames: Array) -> Array:
    """Level of the background of each frame ``[F]``: the median of its pixels, most of which show no emitter."""
    levels: Array = np.median(frames, axis=(1, 2))
    return levels


def isolated_spots(frames: Array) -> Array:
    """Windows ``[n, S, S]`` of the bright maxima that have no other one in their window, less the background.

    Args:
        frames: ``[F, H, W]`` photons.
    """
    half, found = SPOT_HALF_PX, []
    for frame, level in zip(frames, background_of(frames), strict=True):
        smooth = gaussian_filter(frame - level, SPOT_SMOOTHED_PX)
        noise = 1.4826 * np.median(np.abs(smooth))
        peaks = (smooth == maximum_filter(smooth, 3)) & (smooth > max(SPOT_SIGMA * noise, 1e-12))
        highest = maximum_filter(np.where(peaks, smooth, 0), 2 * half + 1)
        for row, column in np.argwhere(peaks & (smooth == highest)):
            rows, columns = slice(row - half, row + half + 1), slice(column - half, column + half + 1)
            if min(row, column) < half or row + half >= frame.shape[0] or column + half >= frame.shape[1]:
                continue
            if (peaks[rows, columns] & (smooth[rows, columns] > SPOT_NEIGHBOUR * smooth[row, column])).sum() == 1:
                found.append(frame[rows, columns] - level)
    return np.array(found).reshape(-1, 2 * half + 1, 2 * half + 1)


def widths(spots: Array) -> Array:
    """Width of each spot, pixels ``[n]``: the geometric mean of the standard deviations along x and y; NaN where none fits.

    Moments under a Gaussian weight, whose widths follow those of the spot: at the end half of the weight's variance is
    what is measured, for a spot that is a Gaussian itself (adaptive moments: Bernstein & Jarvis 2002).
    The integration over a pixel is part of the width.

    Args:
        spots: ``[n, S, S]``, less the background.
    """
    side = np.arange(spots.shape[-1]) - spots.shape[-1] // 2
    centre, variance = np.zeros((len(spots), 2)), np.full((len(spots), 2), 2.0)
    with np.errstate(all="ignore"):
        for _ in range(SPOT_ROUNDS):
            weight = [np.exp(-((side - centre[:, axis, None]) ** 2) / (2 * variance[:, axis, None])) for axis in (0, 1)]
            weighted = spots * weight[0][:, None, :] * weight[1][:, :, None]
            total = weighted.sum(axis=(1, 2))
            for axis, summed in ((0, weighted.sum(axis=1)), (1, weighted.sum(axis=2))):
                mean = (summed * side).sum(axis=1) / total
                measured = (summed * (side - mean[:, None]) ** 2).sum(axis=1) / total
                # Twice, for the weight cut out of the measured moment; the centre alike.
                variance[:, axis] = np.clip(2 * measured, 0.1, WIDEST_SPOT_PX**2)
                centre[:, axis] += np.clip(2 * (mean - centre[:, axis]), -1, 1)
        width = np.sqrt(np.sqrt(variance.prod(axis=1)))
    bad = ~np.isfinite(width) | (variance >= WIDEST_SPOT_PX**2).any(axis=1) | (variance <= 0.1).any(axis=1)
    return np.where(bad | (np.abs(centre) > SPOT_HALF_PX / 2).any(axis=1), np.nan, width)
