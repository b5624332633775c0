"""Shifts between segments of a movie, from correlations of their histograms.

Segments are correlated in pairs, tile by tile of the field, and the correlations of the tiles are added: the shift is the same
in all of them. Laterally a tile is a square; along z it is a narrow lateral cell with its profile in z. A localisation that
drift carries over the edge of its tile is lost for the pair, which only lowers the peak.
"""

import itertools
from collections.abc import Iterator

import numpy as np
from scipy import fft, ndimage

from holly_triton.core.types import Array
from holly_triton.frames.config.drift import CELLS_AT_ONCE, RADIUS_BINS, TILE_BINS, Drifting


def pairs_of(segments: int) -> Array:
    """All pairs of segments ``[P, 2]``, the earlier first."""
    return np.array([*itertools.combinations(range(segments), 2)])


def lateral_shifts(xy: Array, segment: Array, segments: int, settings: Drifting) -> Array:
    """Shift along x and y of the later segment of each pair from the earlier one ``[P, 2]``, nm.

    Args:
        xy: ``[E, 2]``, nm.
        segment: Of each localisation ``[E]``, from 0.
        segments: Number of segments K.
        settings: Sizes.
    """
    bins = np.floor((xy - xy.min(axis=0)) / settings.bin_nm).astype(np.int64)
    tile = bins // TILE_BINS
    number = tile[:, 1] * (tile[:, 0].max() + 1) + tile[:, 0]
    within = bins % TILE_BINS
    place = (segment * TILE_BINS + within[:, 1]) * TILE_BINS + within[:, 0]
    shape = (segments, 1, TILE_BINS, TILE_BINS)
    total = _correlated(_histograms(number, place, shape, 1), segments, (2, 3))
    return _peaks(total, settings.largest_nm, settings)[:, ::-1] * settings.bin_nm


def axial_shifts(xyz: Array, segment: Array, segments: int, settings: Drifting) -> Array:
    """Shift along z of the later segment of each pair from the earlier one ``[P, 1]``, nm; lateral drift is corrected before.

    Args:
        xyz: ``[E, 3]``, nm.
        segment: Of each localisation ``[E]``, from 0.
        segments: Number of segments K.
        settings: Sizes.
    """
    z = np.floor((xyz[:, 2] - xyz[:, 2].min()) / settings.bin_nm).astype(np.int64)
    # Zeros beyond the depths, so that the profile does not meet itself around the end.
    depth = fft.next_fast_len(int(z.max()) + 1 + int(settings.largest_z_nm / settings.bin_nm) + 1, real=True)
    cells = np.floor((xyz[:, :2] - xyz[:, :2].min(axis=0)) / settings.cell_nm).astype(np.int64)
    _, number = np.unique(cells[:, 1] * (cells[:, 0].max() + 1) + cells[:, 0], return_inverse=True)
    place = (segment * CELLS_AT_ONCE + number % CELLS_AT_ONCE) * depth + z
    shape = (segments, CELLS_AT_ONCE, depth)
    total = _correlated(_histograms(number // CELLS_AT_ONCE, place, shape, 1), segments, (2,))
    return _peaks(total, settings.largest_z_nm, settings) * settings.bin_nm


def _histograms(group: Array, place: Array, shape: tuple[int, ...], least: int) -> Iterator[Array]:
    """Counts ``shape`` of the localisations of each group, whose places count within it; groups of fewer are left out."""
    order = np.argsort(group, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if len(rows) > least:
            yield np.bincount(place[rows], minlength=int(np.prod(shape))).reshape(shape).astype(np.float32)


def _correlated(histograms: Iterator[Array], segments: int, axes: tuple[int, ...]) -> Array:
    """Correlations of all pairs, summed over groups and tiles ``[P, *axes]``, zero shift at index 0."""
    first, second = pairs_of(segments).T
    total: Array | None = None
    sides: list[int] = []
    for counts in histograms:
        sides = [counts.shape[axis] for axis in axes]
        counts -= counts.mean(axis=axes, keepdims=True)
        spectra = fft.rfftn(counts, axes=axes)
        if total is None:
            total = np.zeros((len(first), *spectra.shape[2:]), spectra.dtype)
        for pair, (one, two) in enumerate(zip(first, second, strict=True)):
            total[pair] += (spectra[one].conj() * spectra[two]).sum(axis=0)
    if total is None:
        raise ValueError("there are no localisations to correlate")
    correlated: Array = fft.irfftn(total, sides, axes=tuple(range(1, total.ndim)))
    return correlated


def _peaks(correlation: Array, largest_nm: float, settings: Drifting) -> Array:
    """Place of the highest peak of each correlation ``[P, D]``, bins, within the largest shift; from a fitted paraboloid."""
    dimensions = correlation.ndim - 1
    reach = min(int(largest_nm / settings.bin_nm), *((side - 1) // 2 for side in correlation.shape[1:]))
    around = np.arange(-reach - RADIUS_BINS, reach + RADIUS_BINS + 1)
    grid = np.ix_(*([around % side for side in correlation.shape[1:]]))
    offsets = np.arange(-RADIUS_BINS, RADIUS_BINS + 1)
    mesh = np.stack([part.ravel() for part in np.meshgrid(*[offsets] * dimensions, indexing="ij")], axis=1)
    solve = np.linalg.pinv(_terms(mesh))
    peaks = []
    for one in correlation:
        smooth = ndimage.gaussian_filter(one[grid], settings.smoothing)
        inner = smooth[(slice(RADIUS_BINS, -RADIUS_BINS),) * dimensions]
        middle = np.array(np.unravel_index(int(inner.argmax()), inner.shape))
        values = smooth[tuple(slice(at, at + len(offsets)) for at in middle)].ravel()
        peaks.append(middle - reach + _vertex(solve @ values, dimensions))
    return np.array(peaks)


def _terms(points: Array) -> Array:
    """Terms of a paraboloid at some points ``[n, D]``: 1, the coordinates, and their products."""
    products = [
        points[:, i] * points[:, j] for i, j in itertools.combinations_with_replacement(range(points.shape[1]), 2)
    ]
    return np.column_stack([np.ones(len(points)), points, *products])


def _vertex(terms: Array, dimensions: int) -> Array:
    """Where a paraboloid is largest ``[D]``, within a bin of the middle; the middle itself where it has no maximum."""
    slope, curved = terms[1 : 1 + dimensions], np.zeros((dimensions, dimensions))
    for (i, j), value in zip(
        itertools.combinations_with_replacement(range(dimensions), 2), terms[1 + dimensions :], strict=True
    ):
        curved[i, j] += value
        curved[j, i] += value
    if np.linalg.eigvalsh(curved).max() >= 0:
        return np.zeros(dimensions)
    vertex: Array = np.clip(-np.linalg.solve(curved, slope), -1, 1)
    return vertex
