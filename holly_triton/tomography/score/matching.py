"""Which pick belongs to which particle: one to one, the surest pick first.

Candidates are all pairs of a pick and a particle of one tomogram (and, unless classes are ignored, of one class) that are
no farther apart than the tolerance. They are taken in the order of the pick's score, and for one pick in the order of the
distance; where scores are equal or missing, in the order of the distance alone. A candidate is passed over if its pick or its
particle is in a pair already. So the pairs of the picks above any threshold are the first of the pairs of all picks, and a
curve over thresholds needs a single matching. A second pick of one particle is false, and a particle counts once.
"""

from typing import NamedTuple

import numpy as np

from holly_triton.core.pairing import greedy_pairs
from holly_triton.core.types import Array
from holly_triton.io.particle_lists.particle_list import ParticleList


class Pairs(NamedTuple):
    """K matched pairs, in the order in which they were taken."""

    pick: Array
    """Row of each pick in its list ``[K]`` int64."""
    particle: Array
    """Row of each particle in the truth ``[K]`` int64."""
    distance: Array
    """Å ``[K]``."""


def match(picks: ParticleList, truth: ParticleList, tolerance: float, *, by_class: bool = True) -> Pairs:
    """Match picks with particles.

    Args:
        picks: P picks; those without a finite position are in no pair.
        truth: T particles, likewise.
        tolerance: Largest distance of a pair, Å.
        by_class: Whether a pick may only be matched with a particle of its own class.
    """
    first, second, distance = _candidates(picks, truth, tolerance, by_class)
    score = picks.scores[first]
    score = np.where(np.isnan(score), -np.inf, score)
    order = np.lexsort((second, first, distance, -score))
    first, second, distance = first[order], second[order], distance[order]
    paired = greedy_pairs(first, second, (len(picks), len(truth)))
    return Pairs(first[paired], second[paired], distance[paired])


def match_any_class(picks: ParticleList, truth: ParticleList, tolerance: float) -> Pairs:
    """Pairs of one class first, then pairs of what remains in any classes: those of the confusion matrix.

    The diagonal of that matrix thus holds the same matches as the figures of each class.
    """
    same = match(picks, truth, tolerance)
    rest_picks = np.setdiff1d(np.arange(len(picks)), same.pick)
    rest_truth = np.setdiff1d(np.arange(len(truth)), same.particle)
    other = match(picks.take(rest_picks), truth.take(rest_truth), tolerance, by_class=False)
    return Pairs(
        np.concatenate([same.pick, rest_picks[other.pick]]),
        np.concatenate([same.particle, rest_truth[other.particle]]),
        np.concatenate([same.distance, other.distance]),
    )


def _candidates(
    picks: ParticleList, truth: ParticleList, tolerance: float, by_class: bool
) -> tuple[Array, Array, Array]:
    """Rows ``[C]`` of all pairs within the tolerance, and their distances."""
    from scipy.spatial import cKDTree

    placed = [np.flatnonzero(np.isfinite(each.positions).all(axis=1)) for each in (picks, truth)]
    if not all(map(len, placed)):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    groups = _groups(picks, truth, by_class)
    # A fourth coordinate keeps groups farther apart than the tolerance; within one it adds nothing to the distance.
    points = [
        np.column_stack([each.positions[rows], 2 * tolerance * group[rows]])
        for each, rows, group in zip((picks, truth), placed, groups, strict=True)
    ]
    pairs = cKDTree(points[0]).sparse_distance_matrix(cKDTree(points[1]), tolerance, output_type="ndarray")
    return placed[0][pairs["i"]], placed[1][pairs["j"]], pairs["v"]


def _groups(picks: ParticleList, truth: ParticleList, by_class: bool) -> tuple[Array, Array]:
    """A number for each row of both lists ``[P]``, ``[T]``: equal for rows that may be matched."""
    _, group = np.unique(np.concatenate([picks.tomograms, truth.tomograms]), return_inverse=True)
    if by_class:
        _, label = np.unique(np.concatenate([picks.labels, truth.labels]), return_inverse=True)
        group = group * (label.max() + 1) + label
    return group[: len(picks)], group[len(picks) :]
