"""One-to-one correspondence of two point clouds, and the positional error of clouds without one.

Nearest neighbours are no correspondence: several points may share one, and no distance exceeds about half of the
spacing however large the errors are. ``match`` pairs the points one to one so that the sum of squared distances is
least (the assignment problem; Crouse 2016, as in SciPy). Where errors pass the spacing even that is too small, since
points are paired with whatever lies near.

``positional_error`` needs no pairs. Let K clouds of N points be one point set with independent Gaussian errors of
standard deviation s along each axis. For any structure, the spectra ``F(k) = sum exp(-2 pi i k x)`` of two of them obey

    E |F_a - F_b|^2 = 2 N (1 - exp(-4 pi^2 s^2 k^2)),

because the structure's own term cancels. s is the maximum-likelihood fit of that curve, the squared differences being
exponentially distributed.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from holly_triton.core.types import Array
from holly_triton.geometry.pointset import gyration, hemisphere

MOST_DENSE = 1500
"""Points up to which every pair is considered: under a second. Beyond, each point has ``NEIGHBOURS`` candidates."""
NEIGHBOURS = 12
OUTLYING = 4.0
"""Largest distance of a pair, as a multiple of the median: pairs farther apart are not of one point. Of a million Gaussian
errors none is."""
DIRECTIONS, FREQUENCIES = 60, 24
"""Directions and magnitudes of k at which the spectra are compared."""
COARSEST, FINEST = 0.25, 10.0
"""Range of k, in units of 1 / radius of gyration, which resolves errors from 0.5 % of that radius up to all of it."""
MOST_MODES = 60.0
"""Independent values that the directions of one magnitude give at most."""
CHUNK = 20_000
"""Points summed at a time."""


class Matching(NamedTuple):
    """Pairs of points of two clouds: ``first[K]`` and ``second[K]`` are their indices, ``distance[K]`` apart."""

    first: Array
    second: Array
    distance: Array
    unmatched: float
    """Share of the points of the larger cloud that have no partner."""

    def without_outliers(self) -> "Matching":
        """The pairs that are no farther apart than ``OUTLYING`` times the median."""
        kept = self.distance <= OUTLYING * np.median(self.distance) + 1e-9
        lost = 1 - (1 - self.unmatched) * float(kept.mean())
        return Matching(self.first[kept], self.second[kept], self.distance[kept], lost)


def match(first: Array, second: Array, farthest: float = np.inf) -> Matching:
    """Pair points one to one with the least sum of squared distances.

    Up to ``MOST_DENSE`` points the optimum is exact. In larger clouds a point may be paired with one of its
    ``NEIGHBOURS`` nearest only; where others take them all, it is unmatched.

    Args:
        first: ``[N, 3]``, and
        second: ``[M, 3]``, in one frame and unit.
        farthest: Distance beyond which points are no pair and none costs more: an outlier has no effect on other pairs.
            By default every point of the smaller cloud has a partner, if it is small enough.
    """
    if max(len(first), len(second)) <= MOST_DENSE:
        distance = cdist(first, second)
        rows, columns = linear_sum_assignment(np.square(np.minimum(distance, farthest)))
        distance = distance[rows, columns]
    else:
        rows, columns, distance = _match_sparse(first, second)
    kept = distance <= farthest
    rows, columns, distance = rows[kept], columns[kept], distance[kept]
    return Matching(rows, columns, distance, 1 - len(rows) / max(len(first), len(second)))


def _match_sparse(first: Array, second: Array) -> tuple[Array, Array, Array]:
    count, most = len(first), min(NEIGHBOURS, len(second))
    distance, neighbour = (found.reshape(count, most) for found in cKDTree(second).query(first, k=most))
    # A column of its own for each row, dearer than any chain of exchanges saves: to remain unmatched.
    alone = len(second) + np.arange(count)
    cost = np.column_stack([np.square(distance), np.full(count, 2 * np.square(distance).max())])
    columns = np.column_stack([neighbour, alone])
    smallest = 1e-12 * cost.max() + 1e-300  # a cost of zero would be no edge
    graph = csr_matrix(
        (cost.ravel() + smallest, columns.ravel(), np.arange(count + 1) * (most + 1)), (count, len(second) + count)
    )
    rows, chosen = min_weight_full_bipartite_matching(graph)
    paired = chosen < len(second)
    rows, chosen = rows[paired], chosen[paired]
    return rows, chosen, np.linalg.norm(first[rows] - second[chosen], axis=1)


def positional_error(clouds: Sequence[Array]) -> float:
    """Positional error of clouds that estimate one point set: 3D, root mean square (the square root of 3 times s).

    Args:
        clouds: K >= 2 clouds ``[N, 3]`` of equal N, in one frame, in any order of their points.

    Returns:
        In their unit; of clouds that have no point in common, about their radius of gyration.

    Raises:
        ValueError: Fewer than two clouds, or of different numbers of points.
    """
    if len(clouds) < 2 or len({len(cloud) for cloud in clouds}) > 1:
        raise ValueError(f"clouds must be two or more of one size; got sizes {[len(cloud) for cloud in clouds]}")
    middle = clouds[0].mean(axis=0)
    size = float(np.mean([gyration(cloud) for cloud in clouds]))
    if size == 0:
        return 0.0
    frequency = np.geomspace(COARSEST, FINEST, FREQUENCIES) / size
    spectra = [_spectrum(cloud - middle, frequency) for cloud in clouds]
    squared = np.mean([np.square(np.abs(a - b)) for a, b in combinations(spectra, 2)], axis=(0, 1))
    found = squared / (2 * len(clouds[0]))
    modes = np.minimum((frequency / frequency[0]) ** 3, MOST_MODES)
    candidates = size * np.geomspace(1e-4, 2, 800)
    expected = -np.expm1(-np.square(2 * np.pi * np.outer(candidates, frequency)))
    misfit = (modes * (np.log(expected) + found / expected)).sum(axis=1)
    return float(3**0.5 * candidates[np.argmin(misfit)])


def _spectrum(points: Array, frequency: Array) -> Array:
    """``F(k) [DIRECTIONS, S]`` of points ``[N, 3]`` at the magnitudes ``[S]`` of k."""
    total = np.zeros((DIRECTIONS, len(frequency)), dtype=complex)
    for start in range(0, len(points), CHUNK):
        along = points[start : start + CHUNK] @ hemisphere(DIRECTIONS).T
        total += np.stack([np.exp(-2j * np.pi * k * along).sum(axis=0) for k in frequency], axis=1)
    return total
