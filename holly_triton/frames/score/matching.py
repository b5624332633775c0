"""Which localisation belongs to which emitter: the greedy matching of the SMLM challenge 2016.

In each frame, the pair with the smallest distance is matched if the localisation lies within a cylinder about the
emitter, and both leave the frame; the next smallest of the rest follows, until no pair within its cylinder is left
(the challenge's ``loc_metrics``; Sage et al. 2019). This is not the assignment of least total distance. Of pairs with
exactly equal distances, the emitter that comes first in the truth is served first, and of its localisations the first.
"""

from typing import NamedTuple

import numpy as np

from holly_triton.core.pairing import greedy_pairs
from holly_triton.core.types import Array

FARTHEST_NM = 1e9
"""Positions beyond a metre are none of a microscope's, and match nothing."""


class Pairs(NamedTuple):
    """K matched pairs, in the order of the emitters."""

    localisation: Array
    """Row of each localisation in its table ``[K]`` int64."""
    emitter: Array
    """Row of each emitter in the truth ``[K]`` int64."""


def in_field(table: Array, width_nm: float, height_nm: float, border_nm: float) -> Array:
    """Which rows ``[N]`` lie more than ``border_nm`` from every edge of the field; rows without a position do not."""
    x, y = table["x"], table["y"]
    inside = (x > border_nm) & (y > border_nm) & (x < width_nm - border_nm) & (y < height_nm - border_nm)
    return np.asarray(inside)


def match(localisations: Array, truth: Array, *, lateral_nm: float, axial_nm: float, flat: bool = False) -> Pairs:
    """Match localisations with emitters frame by frame.

    Args:
        localisations: Table of ``localisations.KIND`` ``[L]``.
        truth: Table of the same kind ``[T]``.
        lateral_nm: Radius of the cylinder.
        axial_nm: Half of its height.
        flat: Whether z is left out of both the distance and the cylinder, as in 2D data.
    """
    here, there = _candidates(localisations, truth, lateral_nm)
    dx, dy, dz = (localisations[axis][here] - truth[axis][there] for axis in "xyz")
    lateral = dx * dx + dy * dy
    within = lateral <= lateral_nm**2
    if not flat:
        within &= np.abs(dz) <= axial_nm
    distance = np.sqrt(lateral if flat else lateral + dz * dz)
    here, there, distance = here[within], there[within], distance[within]
    order = np.lexsort((here, there, distance))
    here, there = here[order], there[order]
    paired = greedy_pairs(here, there, (len(localisations), len(truth)))
    paired = paired[np.argsort(there[paired])]
    return Pairs(here[paired], there[paired])


def neighbour_nm(truth: Array) -> Array:
    """Lateral distance of each emitter to the nearest other one of its frame ``[T]``, nm; infinite for a lone one."""
    from scipy.spatial import cKDTree

    if len(truth) < 2:
        return np.full(len(truth), np.inf)
    _, frame, counts = np.unique(truth["frame"], return_inverse=True, return_counts=True)
    placed = np.stack([truth["x"], truth["y"], frame * _step(truth)], axis=1)
    distance, _ = cKDTree(placed).query(placed, k=2)
    return np.where(counts[frame] < 2, np.inf, distance[:, 1])


def _candidates(localisations: Array, truth: Array, radius_nm: float) -> tuple[Array, Array]:
    """Rows of all pairs of one frame whose x differs by at most a radius.

    One sorted key holds frame and x, so that the partners of an emitter are a range of it.
    """
    first, second = np.flatnonzero(_placed(localisations)), np.flatnonzero(_placed(truth))
    found, true = localisations[first], truth[second]
    frames, place = np.unique(np.concatenate([found["frame"], true["frame"]]), return_inverse=True)
    if len(frames) == 0:
        return first, second
    step = _step(found, true) + 4 * radius_nm
    key, wanted = place[: len(first)] * step + found["x"], place[len(first) :] * step + true["x"]
    order = np.argsort(key, kind="stable")
    reach = radius_nm + 4 * float(np.spacing(len(frames) * step))  # rounding loses none at the very edge
    low = np.searchsorted(key[order], wanted - reach)
    high = np.searchsorted(key[order], wanted + reach, side="right")
    partners = high - low
    start = np.repeat(low - (np.cumsum(partners) - partners), partners)
    return first[order[start + np.arange(len(start))]], np.repeat(second, partners)


def _placed(table: Array) -> Array:
    return np.asarray((np.abs(table["x"]) < FARTHEST_NM) & (np.abs(table["y"]) < FARTHEST_NM))


def _step(*tables: Array) -> float:
    """A distance farther than any two positions of these tables are apart."""
    return 4 * max(1.0, *(float(np.abs(table[axis]).max(initial=0)) for axis in "xy" for table in tables))
