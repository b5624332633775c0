"""The radius of each class: as given, or that of a sphere of its particles' volume in label volumes."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.core.words import counted
from holly_triton.io.particle_lists.particle_list import ParticleList

HALF_SIDES = (0, 2, 4, 8)
"""Half sides of cubes about a particle's centre in which its label is sought, voxels."""


class Counted(NamedTuple):
    """A tomogram's particles, and the number of a class in each of its voxels."""

    truth: ParticleList
    labels: Array
    """``[Z, Y, X]``, whole numbers; 0 is no class. Which number is of which class follows from the particles."""


def radii_of(tomograms: Iterable[Counted], voxel: float) -> dict[str, float]:
    """Radii of the classes that have particles and voxels, Å, sorted by name.

    Args:
        tomograms: Label volumes.
        voxel: Å.
    """
    voxels: dict[str, int] = {}
    counts: dict[str, int] = {}
    for truth, labels in tomograms:
        sizes = np.bincount(labels.astype(np.int64).ravel())
        nearest = np.array([_nearest(labels, place) for place in np.rint(truth.positions[:, ::-1] / voxel).astype(int)])
        for name in truth.classes:
            own = nearest[(truth.labels == name) & (nearest > 0)]
            if len(own):
                # The label nearest to the centre of a hollow particle may be of its neighbour: the most frequent one counts.
                voxels[name] = voxels.get(name, 0) + int(sizes[np.bincount(own).argmax()])
                counts[name] = counts.get(name, 0) + int((truth.labels == name).sum())
    return {name: (3 / (4 * math.pi) * voxels[name] / counts[name]) ** (1 / 3) * voxel for name in sorted(voxels)}


def _nearest(labels: Array, place: Array) -> int:
    """The most frequent label in the smallest of some cubes about a voxel that holds any; 0 where none does."""
    for reach in HALF_SIDES:
        cube = labels[tuple(slice(max(0, at - reach), at + reach + 1) for at in place.tolist())]
        found = cube[cube > 0].astype(np.int64)
        if len(found):
            return int(np.bincount(found).argmax())
    return 0


def given_radii(text: str, classes: Sequence[str]) -> dict[str, float]:
    """Radii as a person writes them, Å: ``70S=125,FAS=130``, or one number for all classes.

    Raises:
        HollyError: One is no number above 0, or of no class that has particles.
    """
    parts = [part.partition("=") for part in text.split(",")]
    if len(parts) == 1 and not parts[0][1]:
        parts = [(name, "=", parts[0][0]) for name in classes]
    radii = {}
    for name, _, number in ((name.strip(), equals, number) for name, equals, number in parts):
        try:
            radii[name] = float(number)
        except ValueError:
            radii[name] = math.nan
        if not 0 < radii[name] < math.inf:
            raise HollyError(f"--radii {name}={number}: is no radius in Å; write such as 70S=125,FAS=130")
        if name not in classes:
            raise HollyError(
                f"--radii {name}: there is no such class among the {counted(len(classes), 'class', 'classes')} {', '.join(classes)}"
            )
    return radii
