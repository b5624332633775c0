"""Structures by name or from files: maps, atomic models, clouds."""

import difflib
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import missing
from holly_triton.core.types import Array
from holly_triton.io.atoms import is_atoms, read_atoms
from holly_triton.io.clouds import FORMATS, read_cloud
from holly_triton.io.volumes.reading import format_of, read_volume
from holly_triton.io.volumes.volume import Volume
from holly_triton.tomography.config.structures import MAP_THRESHOLD, PLATEAU_PERCENTILE, PLATEAU_VOLUME, PROTEIN_DA

from .decoys import DECOYS
from .density import Density
from .shipped import read_shipped, shipped

ANGSTROM_PER_NM = 10.0


def read_density(source: str | Path, *, mass: float | None = None, symmetry: str = "C1") -> Density:
    """A structure from its file or, where no such file exists, the decoy or shipped structure of that name.

    Args:
        source: A map (MRC, EM, HDF5), an atomic model (PDB, mmCIF), a cloud (PLY, OBJ, XYZ, CSV; nm unless it states
            another unit), or a name.
        mass: Da; without it, that of the atoms, an estimate for a map, and for a cloud that of a density of protein in the
            volume of its points' ellipsoid.
        symmetry: Point group of a file's structure.

    Raises:
        HollyError: It is neither a file nor a known name, or the file can't be read as a structure.
    """
    path = Path(source)
    if not path.is_file():
        found = _named(str(source))
    elif format_of(path):
        found = from_map(_stem(path), read_volume(path), symmetry=symmetry)
    elif is_atoms(path):
        atoms = read_atoms(path)
        found = Density.of(_stem(path), atoms.points, atoms.masses, symmetry=symmetry)
    elif path.suffix.lower() in FORMATS:
        points = read_cloud(path).points * ANGSTROM_PER_NM
        found = Density.of(_stem(path), points, _cloud_weights(points), symmetry=symmetry)
    else:
        raise HollyError(
            f"{path}: is no structure by its suffix; give a map (.mrc, .em, .h5), a model (.pdb, .cif) or a cloud "
            f"({', '.join(FORMATS)})"
        )
    return found if mass is None else found.weighing(mass)


def from_map(name: str, volume: Volume, *, symmetry: str = "C1") -> Density:
    """The voxels of a map above ``MAP_THRESHOLD`` of its maximum, each with its value, scaled by an estimate of the mass.

    Raises:
        HollyError: No voxel is positive.
    """
    values = np.asarray(volume.values, dtype=np.float32)
    most = float(values.max(initial=0))
    kept = np.argwhere(values > MAP_THRESHOLD * most) if most > 0 else np.empty((0, 3), int)
    if len(kept) == 0:
        raise HollyError(f"{name}: no voxel is above 0; give a map in which the density is positive")
    weights = values[tuple(kept.T)].astype(np.float64)
    plateau = np.percentile(weights, PLATEAU_PERCENTILE)
    weights *= PROTEIN_DA * PLATEAU_VOLUME * volume.voxel**3 / plateau
    return Density.of(name, kept[:, ::-1] * volume.voxel, weights, resolution=2 * volume.voxel, symmetry=symmetry)


def _stem(path: Path) -> str:
    """The name of a file up to its first dot, so that ``1aon.pdb.gz`` is 1aon."""
    return path.name.partition(".")[0]


def _cloud_weights(points: Array) -> Array:
    """Equal weights, which sum to a density of protein in the ellipsoid with the second moments of the points."""
    spread = np.linalg.svd(points - points.mean(0), compute_uv=False) / len(points) ** 0.5
    volume = 4 / 3 * np.pi * np.prod(np.maximum(spread, 1.0) * 5**0.5)
    return np.full(len(points), PROTEIN_DA * volume / len(points))


def _named(name: str) -> Density:
    if name in DECOYS:
        return DECOYS[name]()
    if name in shipped():
        return read_shipped(name)
    if Path(name).suffix:
        raise missing(Path(name), "a structure's file")
    known = [*shipped(), *DECOYS]
    near = difflib.get_close_matches(name.lower(), known, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise HollyError(
        f"{name}: is neither a file nor a known structure; {hint}give a file, or one of {', '.join(known)}"
    )
