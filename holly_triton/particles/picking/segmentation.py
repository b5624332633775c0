"""Segmentation of a field of localisations into clusters of about the size of one particle each.

They are found by DBSCAN (Ester et al. 1996): localisations whose surroundings are denser than the field's mean, linked
within 0.3 of a particle's diameter. That diameter, where it is not given, is estimated from the distances between pairs of
localisations. Clusters of several particles that touch are split by k-means, and clusters that together are no larger than
one particle, as the two layers of a nuclear pore in a side view, are joined. HDBSCAN would need no radius, but the time
of scikit-learn's grows with the square of the localisations: 2.4 s for 20 000, which extrapolates to hours for 10^6.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree
from scipy.stats import poisson

from holly_triton.core.errors import HollyError
from holly_triton.core.optional import require
from holly_triton.core.types import Array

# The diameter, from pairs of localisations.
NEAREST_NM, FARTHEST_NM, RADII = 5.0, 1500.0, 50
"""Distances that are examined: from the resolution of SMLM to beyond the largest likely particle."""
ANCHORS = 3000
"""Localisations whose neighbours are counted, which give the density at each distance to a few per cent."""
SMOOTHED = 1.5
"""Steps of these distances over which the density is smoothed, since its slope is noisy."""
FEWEST_PAIRS = 1000
"""Least number of pairs within the smallest distance that is used: with fewer pairs, the density falls by chance."""
AFTERWARDS, SETTLED = 1.5, 0.15
"""A fall at r marks the edge of particles if from 1.5 r on the density stays near its value far away: within this fraction
of the total decrease, in logarithms. After a fall at the edge of a subunit, the density rises again at the particle's other
subunits."""
CLEAR_FALL = -1.0
"""Slope, in logarithms, of a significant fall: it is -1.9 and -1.6 in real fields, -0.1 for random positions. The first
such fall is used; later ones are due to regions that hold few particles by chance."""
DIAMETER_PER_FALL = 1.2
"""Diameter over the distance of the steepest fall, which lies within the particle: at 109 nm for pores of 130 nm, at 226 nm
for centrioles of 270 nm."""

# Clusters.
RADIUS = 0.3
"""DBSCAN's radius, as a fraction of the diameter. It matters little where particles are dense: with 0.2, 0.25 and 0.3 a
real field gave 256, 261 and 263 pores. Of simulated rings of sites 38 nm apart, in pairs 30 nm from each other, 78, 99 and
100 % were right."""
SQUARES_PER_RADIUS = 4
"""DBSCAN is given squares a quarter of its radius wide with the number of localisations in each. It thus stores at most
60 neighbours of a square, where a localisation in a centriole has thousands."""
CHANCE = 0.001
"""Probability that a position is taken as dense when localisations are random with the field's mean density."""
FEWEST_NEAR = 5
"""Least number of localisations within the radius of a dense position, however empty the field."""
HELD = 0.9
"""A candidate's diameter is that of the circle about its centroid that holds this share of it, so that outliers have no
effect."""
LARGEST_ONE, CENTRES_APART = 1.3, 0.75
"""As multiples of the diameter: a larger cluster than the first is split where no part exceeds it and the centres of the
parts are at least the second apart (a single large particle has no such parts). Clusters nearer to each other than the
second are joined where the result does not exceed the first."""
MOST_TOUCHING = 20
"""Largest number of parts that is tried; a cluster wider than this number of diameters is left whole, and rejected for its
size."""
SAMPLED = 5000
"""Localisations of a cluster that k-means uses."""


class Measures(NamedTuple):
    """Size and shape of a set of localisations."""

    centre: Array  # [2], nm: the centroid
    diameter: float  # of the circle about it that holds 90 % of them, nm
    localisations: int
    roundness: float  # short over long axis


def find_clusters(xy: Array, diameter: float) -> list[Array]:
    """Rows of each cluster of a field ``[E, 2]``, in nm, of particles that are about ``diameter`` across."""
    parts = [part for cluster in _dense_places(xy, diameter) for part in _split(xy, cluster, diameter)]
    return _join(xy, parts, diameter)


def typical_diameter(xy: Array) -> float:
    """Approximate diameter of the particles of a field ``[E, 2]``, nm, from the distances between pairs of localisations.

    Around a localisation of a particle the density of others is high up to the particle's diameter, and then falls to
    that of the field (pair correlation; Sengupta et al. 2011).

    Raises:
        HollyError: The field is too small, or no diameter is evident.
    """
    farthest = min(
        FARTHEST_NM, float(np.ptp(xy, axis=0).min()) / 3
    )  # at larger radii, most circles extend beyond the field
    if farthest <= 2 * NEAREST_NM:
        raise HollyError(
            f"the field is {3 * farthest:.3g} nm wide, too small for particles; is the unit right (--unit)?"
        )
    radii = np.geomspace(NEAREST_NM, farthest, RADII)
    anchors = xy[np.random.default_rng(0).choice(len(xy), min(len(xy), ANCHORS), replace=False)]
    pairs = cKDTree(anchors).count_neighbors(cKDTree(xy), radii) - len(
        anchors
    )  # without the pairs of a localisation with itself
    first = int(np.searchsorted(pairs[:-3], FEWEST_PAIRS))
    density = (np.diff(pairs) / np.diff(radii**2))[first:]
    middle = np.sqrt(radii[:-1] * radii[1:])[first:]
    mean = (
        len(anchors) * len(xy) / float(np.prod(np.ptp(xy, axis=0)))
    )  # of the field, in the same measure except for pi
    found = _fall(middle, density, np.pi * mean) if pairs[-3] >= FEWEST_PAIRS else None
    if found is None:
        raise HollyError("no particle size is evident above the background; give it with --diameter NM")
    return DIAMETER_PER_FALL * found


def _fall(radius: Array, density: Array, mean: float) -> float | None:
    """Distance at which the density ``[r]`` about a localisation falls to that of the field, nm; None if there is no clear fall.

    Densities below the field's ``mean`` are raised to it: between particles that keep a distance it may be 0, and rises to
    the mean again at their neighbours.
    """
    smooth = gaussian_filter1d(np.log(np.maximum(density, mean)), SMOOTHED)
    slope = np.gradient(smooth, np.log(radius))
    far = np.median(smooth[radius > radius[-1] / 3])
    highest_beyond = np.append(np.maximum.accumulate(smooth[::-1])[::-1], -np.inf)
    after = highest_beyond[np.searchsorted(radius, AFTERWARDS * radius)]
    slope[after > far + SETTLED * (smooth.max() - far)] = 0.0
    if slope.min() > CLEAR_FALL:
        return None
    place = int(np.argmax(slope <= CLEAR_FALL))
    while place + 1 < len(slope) and slope[place + 1] < slope[place]:
        place += 1
    return float(radius[place])


def _dense_places(xy: Array, diameter: float) -> list[Array]:
    """Rows of each cluster, by DBSCAN on occupied squares weighted by their number of localisations."""
    DBSCAN = require("sklearn.cluster", "finding particles").DBSCAN
    radius = RADIUS * diameter
    area = float(np.prod(np.maximum(np.ptp(xy, axis=0), diameter)))
    mean = len(xy) / area * np.pi * radius**2
    fewest = max(FEWEST_NEAR, int(poisson.isf(CHANCE, mean)))
    square = np.floor((xy - xy.min(axis=0)) * (SQUARES_PER_RADIUS / radius)).astype(np.int64)
    width = int(square[:, 0].max()) + 1
    occupied, which, held = np.unique(square[:, 1] * width + square[:, 0], return_inverse=True, return_counts=True)
    places = np.column_stack([occupied % width, occupied // width])
    search = DBSCAN(eps=SQUARES_PER_RADIUS, min_samples=fewest)
    label = search.fit(places, sample_weight=held).labels_[which.ravel()]
    order = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[order], np.arange(label.max() + 2))
    return [order[start:end] for start, end in zip(starts[:-1], starts[1:], strict=True)]


def _split(xy: Array, rows: Array, diameter: float) -> list[Array]:
    """The rows of a cluster or, where it consists of several particles that touch, those of each particle.

    A part that remains too large, such as an aggregate, leaves the others unchanged.
    """
    KMeans = require("sklearn.cluster", "finding particles").KMeans
    size = measure(xy[rows]).diameter
    if size <= LARGEST_ONE * diameter or size > MOST_TOUCHING * diameter:
        return [rows]
    split = [rows]
    seen = xy[rows[:: -(-len(rows) // SAMPLED)]]
    for parts in range(2, min(MOST_TOUCHING, len(seen)) + 1):
        means = KMeans(parts, n_init=3, random_state=0).fit(seen)
        nearest, _ = cKDTree(means.cluster_centers_).query(means.cluster_centers_, k=2)
        if nearest[:, 1].min() < CENTRES_APART * diameter:
            break
        label = means.predict(xy[rows])
        split = [rows[label == part] for part in range(parts)]
        if max(measure(xy[part]).diameter for part in split) <= LARGEST_ONE * diameter:
            break
    return split


def _join(xy: Array, clusters: list[Array], diameter: float) -> list[Array]:
    """The clusters, with those that are parts of one particle joined, nearest neighbours first."""
    joined: dict[int, Array] = dict(enumerate(clusters))
    into = [*joined]
    centres = np.array([xy[rows].mean(axis=0) for rows in clusters]).reshape(-1, 2)
    pairs = cKDTree(centres).query_pairs(CENTRES_APART * diameter, output_type="ndarray") if clusters else []
    for pair in sorted(pairs, key=lambda pair: float(np.linalg.norm(centres[pair[0]] - centres[pair[1]]))):
        one, other = pair
        while one != into[one]:
            one = into[one]
        while other != into[other]:
            other = into[other]
        if one == other:
            continue
        both = np.concatenate([joined[one], joined[other]])
        if measure(xy[both]).diameter <= LARGEST_ONE * diameter:
            joined[one], into[other] = both, one
            del joined[other]
    return [*joined.values()]


def measure(xy: Array) -> Measures:
    """Centroid, diameter, count and roundness of some localisations ``[n, 2]``."""
    centre = xy.mean(axis=0)
    away = xy - centre
    short, long = np.sqrt(np.linalg.eigvalsh(away.T @ away).clip(min=0))
    diameter = 2 * float(np.quantile(np.hypot(away[:, 0], away[:, 1]), HELD))
    return Measures(centre, diameter, len(xy), float(short / long) if long > 0 else 1.0)
