"""Data of this program as layers of napari: arrays, what they are called, and their places in nm."""

from typing import Any

import numpy as np

from holly_triton.core.types import Array
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.io.tables.rows import Part
from holly_triton.io.volumes.volume import Volume
from holly_triton.view.colours import CATEGORIES

LayerData = tuple[Any, dict[str, Any], str]
"""As napari has it: the data, arguments of the layer, and its kind."""
NM_PER_ANGSTROM = 0.1
LOCALISATION_NM = 10.0
"""Drawn diameter of a localisation that states no precision."""
PICK_ANGSTROM = 200.0
"""Drawn diameter of a picked particle."""
CONTRAST = (0.5, 99.5)
"""Percentiles of a tomogram that are black and white: single voxels of gold or dust are far brighter than all else."""
SAMPLED = 4
"""Every so manieth voxel along each axis counts for them."""


def image_of(volume: Volume, name: str) -> LayerData:
    """A tomogram ``[Z, Y, X]``."""
    low, high = np.percentile(volume.values[::SAMPLED, ::SAMPLED, ::SAMPLED], CONTRAST).tolist()
    meta = {
        "name": name, "scale": 3 * (volume.voxel * NM_PER_ANGSTROM,), "units": 3 * ("nm",),
        "contrast_limits": (low, high if high > low else low + 1.0), "metadata": {"voxel_angstrom": volume.voxel},
    }  # fmt: skip
    return volume.values, meta, "image"


def points_of_particles(particles: ParticleList, name: str, voxel: float | None) -> LayerData:
    """Picks, coloured by their class, in voxels of their tomogram, Å, where its voxel size is known; else in Å.

    In voxels, a CSV file that napari saves is a list that this program reads.
    """
    side = voxel or 1.0
    meta = {
        "name": name, "scale": 3 * (side * NM_PER_ANGSTROM,), "units": 3 * ("nm",), "size": PICK_ANGSTROM / side,
        "features": {"class": particles.labels, "score": particles.scores, "tomogram": particles.tomograms},
        "face_color": "transparent", "border_color": _colours(particles), "border_width": 0.1, "projection_mode": "all",
    }  # fmt: skip
    return particles.positions[:, ::-1] / side, meta, "points"


def points_of_localisations(part: Part, name: str) -> LayerData:
    """Localisations in nm, as wide as their precision, where they have one."""
    known = {"photons": part.photons, "frame": part.frame, "particle": part.particle, "precision_nm": part.precision}
    size = LOCALISATION_NM if part.precision is None else _widths(part.precision)
    meta = {
        "name": name, "units": part.xyz.shape[1] * ("nm",), "size": size, "border_width": 0.0, "opacity": 0.5,
        "features": {key: values for key, values in known.items() if values is not None},
    }  # fmt: skip
    return part.xyz[:, ::-1], meta, "points"


def points_of_cloud(points: Array, name: str) -> LayerData:
    """A cloud ``[N, 3]`` in nm, as spheres that nearly touch."""
    from scipy.spatial import cKDTree

    spacing = float(np.median(cKDTree(points).query(points, k=2)[0][:, 1]))
    meta = {"name": name, "units": 3 * ("nm",), "size": max(spacing, 1e-3), "shading": "spherical", "border_width": 0.0}
    return points[:, ::-1], meta, "points"


def _widths(precision: Array) -> Array:
    """Two standard deviations, of a usual width where a row has none."""
    usable = np.isfinite(precision) & (precision > 0)
    return np.where(usable, 2 * precision, LOCALISATION_NM)


def _colours(particles: ParticleList) -> list[str] | str:
    places = {label: place for place, label in enumerate(particles.classes)}
    colours = [CATEGORIES[places[str(label)] % len(CATEGORIES)] for label in particles.labels]
    return colours or CATEGORIES[0]
