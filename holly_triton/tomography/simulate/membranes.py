"""Membranes: two leaflets of head groups, parts of spheres, as weighted points."""

import math
from typing import NamedTuple

import numpy as np

from holly_triton.core.types import Array
from holly_triton.tomography.config.simulation import (
    LEAFLET_THICKNESS_A,
    LEAFLETS_A,
    SHEET_RADIUS_A,
    SHEET_SHARE,
    VESICLE_RADIUS_A,
)
from holly_triton.tomography.config.structures import PROTEIN_DA

MEMBRANE_HALF_A = (LEAFLETS_A + LEAFLET_THICKNESS_A) / 2
"""From the middle of a membrane to its faces."""


class Membrane(NamedTuple):
    """Both leaflets of a membrane inside a volume."""

    points: Array
    """``[N, 3]``, x, y, z in Å from the centre of voxel 0."""
    weights: Array
    """Mass of each ``[N]``, Da."""


class Sphere(NamedTuple):
    """The middle between the leaflets, all or a part of which lies inside a volume."""

    middle: Array
    """x, y, z in Å from the centre of voxel 0."""
    radius: float
    """Å."""


def random_sphere(sides: Array, random: np.random.Generator) -> Sphere:
    """Of a vesicle or a sheet at a random place of a volume with these sides along x, y and z, Å."""
    if random.random() < SHEET_SHARE:
        radius = random.uniform(*SHEET_RADIUS_A)
        direction = random.normal(size=3)
        # A sheet passes through a random point of the volume.
        return Sphere(random.random(3) * sides - radius * direction / np.linalg.norm(direction), radius)
    return Sphere(random.random(3) * sides, random.uniform(*VESICLE_RADIUS_A))


def leaflets(sphere: Sphere, sides: Array, spacing: float) -> Membrane:
    """The part of a membrane that lies inside a volume, drawn by points of a spacing, Å."""
    # Two layers of points have the second moment of a leaflet's thickness.
    within = LEAFLET_THICKNESS_A / 12**0.5
    layers = [side * LEAFLETS_A / 2 + offset for side in (-1, 1) for offset in (-within, within)]
    points = np.concatenate([_shell(sphere, layer, sides, spacing) for layer in layers])
    return Membrane(points, np.full(len(points), PROTEIN_DA * LEAFLET_THICKNESS_A * spacing**2 / 2))


def filling(sphere: Sphere, sides: Array, spacing: float) -> Array:
    """Points ``[M, 3]`` of a spacing, Å, that fill the part of a membrane inside a volume from face to face."""
    layers = np.linspace(-MEMBRANE_HALF_A, MEMBRANE_HALF_A, math.ceil(2 * MEMBRANE_HALF_A / spacing) + 1)
    return np.concatenate([_shell(sphere, layer, sides, spacing) for layer in layers])


def _shell(sphere: Sphere, layer: float, sides: Array, spacing: float) -> Array:
    """Evenly spaced points at a distance from a sphere that lie inside a volume: a spiral of golden angles."""
    middle, radius = sphere.middle, sphere.radius + layer
    count = max(4, round(4 * math.pi * (radius / spacing) ** 2))
    # The spiral descends along z, so that the points between two heights follow each other.
    first, last = ((1 - (end - middle[2]) / radius) * count / 2 - 0.5 for end in (sides[2], 0.0))
    number = np.arange(max(0, math.ceil(first)), min(count, math.floor(last) + 1))
    z = 1 - (2 * number + 1) / count
    height = middle[2] + radius * z
    angle = number * math.pi * (3 - math.sqrt(5))
    across = radius * np.sqrt(1 - z**2)
    points = np.column_stack([middle[0] + across * np.cos(angle), middle[1] + across * np.sin(angle), height])
    inside: Array = points[((points >= 0) & (points <= sides)).all(1)]
    return inside
