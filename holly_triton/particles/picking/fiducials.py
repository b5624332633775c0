"""Fiducial markers in a field of localisations: beads that emit all the time, for drift correction, and are not particles.

A bead is a single point: its localisations lie within their precision and its surroundings are empty. It has many times
as many localisations as any site of a particle, and it appears in a large share of the frames, unlike any blinking
fluorophore.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from holly_triton.core.types import Array

BIN_NM = 25.0
"""Side of the squares whose localisations are counted: about the size of a site."""
RADIUS_NM = 50.0
"""Radius of the circle that holds a bead, residual drift included."""
SURROUNDINGS = 0.1
"""Largest number of localisations between a bead's circle and one twice as wide, as a fraction of those of the bead; a
candidate with more of them is part of something larger."""
FEWEST, TIMES_A_SITE = 200, 20.0
"""Least localisations of a bead, and how many times as many it has as the median square that holds several."""
SEVERAL = 3
"""Squares with fewer localisations are background."""
MOST_PER_SITE = 0.1
"""Largest number of beads, as a fraction of the squares elsewhere that hold several localisations; where there are more
such points, they are the particles."""
OCCUPANCY = 0.25
"""Least share of the frames in which a bead appears. Sites of DNA-PAINT appear in some hundredths of them, those of dSTORM
in thousandths."""
FEWEST_FRAMES = 50
"""With fewer different frames, their numbers are not used."""
MOST_TRIED = 2000
"""Largest number of squares that are examined, the fullest first."""
HALO = 2.0
"""Radius within which localisations are excluded with a bead, as a multiple of that of its circle."""


class Fiducials(NamedTuple):
    """K beads of a field of E localisations."""

    centre: Array  # [K, 2], nm
    rows: list[Array]  # of each, those in its circle
    aside: NDArray[np.bool_]  # [E]: those in a bead or its halo


def find_fiducials(xy: Array, frame: Array | None = None) -> Fiducials:
    """The beads among localisations ``[E, 2]``, nm, which were detected in the frames ``[E]``, if these are known."""
    aside = np.zeros(len(xy), dtype=bool)
    fullest, fewest = _full_squares(xy)
    tree = cKDTree(xy)
    fullest = (
        fullest[tree.query_ball_point(fullest, 2 * RADIUS_NM, return_length=True) >= fewest]
        if len(fullest)
        else fullest
    )
    frames = None if frame is None else frame[np.isfinite(frame)]
    span = 0.0 if frames is None or len(np.unique(frames)) < FEWEST_FRAMES else float(np.ptp(frames)) + 1
    centres, found = [], []
    for start in fullest[:MOST_TRIED]:
        centre, rows = start, np.empty(0, dtype=int)
        for _ in range(3):  # from the centre of a square to the median of the localisations about it
            rows = np.asarray(tree.query_ball_point(centre, RADIUS_NM))
            centre = np.median(xy[rows], axis=0) if len(rows) else centre
        if len(rows) < fewest or aside[rows].any():
            continue
        around = tree.query_ball_point(centre, 2 * RADIUS_NM, return_length=True) - len(rows)
        there = 1.0 if frame is None or not span else len(np.unique(frame[rows])) / span
        if around < SURROUNDINGS * len(rows) and there >= OCCUPANCY:
            centres.append(centre)
            found.append(rows)
            aside[tree.query_ball_point(centre, HALO * RADIUS_NM)] = True
    if len(found) > MOST_PER_SITE * len(_squares(xy[~aside], SEVERAL)[0]):
        return Fiducials(np.empty((0, 2)), [], np.zeros(len(xy), dtype=bool))  # the particles themselves are points
    return Fiducials(np.array(centres).reshape(-1, 2), found, aside)


def _full_squares(xy: Array) -> tuple[Array, float]:
    """Centres of the squares that may hold a bead ``[n, 2]``, nm, fullest first, and the least localisations of a bead."""
    middles, held = _squares(xy, SEVERAL)
    if not len(held):
        return np.empty((0, 2)), 0.0
    fewest = max(FEWEST, TIMES_A_SITE * float(np.median(held)))
    # At least one of the some sixteen squares that cover a bead's circle holds its share of the localisations.
    full = np.flatnonzero(held >= fewest / (np.pi * (RADIUS_NM / BIN_NM) ** 2))
    return middles[full[np.argsort(-held[full], kind="stable")]], fewest


def _squares(xy: Array, fewest: int) -> tuple[Array, Array]:
    """Centres ``[n, 2]``, nm, of the squares with at least ``fewest`` localisations, and their counts ``[n]``."""
    if not len(xy):
        return np.empty((0, 2)), np.empty(0)
    low = xy.min(axis=0)
    square = np.floor((xy - low) / BIN_NM).astype(np.int64)
    width = int(square[:, 0].max()) + 1
    occupied, held = np.unique(square[:, 1] * width + square[:, 0], return_counts=True)
    occupied, held = occupied[held >= fewest], held[held >= fewest]
    return low + (np.column_stack([occupied % width, occupied // width]) + 0.5) * BIN_NM, held
