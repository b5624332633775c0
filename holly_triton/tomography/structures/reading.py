"""Structures by name or from files: maps and clouds."""

import difflib
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign, missing
from holly_triton.core.optional import require
from holly_triton.core.types import Array
from holly_triton.io.clouds import FORMATS, read_cloud
from holly_triton.io.volumes.volume import Volume
from holly_triton.tomography.config.structures import MAP_THRESHOLD, PLATEAU_PERCENTILE, PLATEAU_VOLUME, PROTEIN_DA

from .decoys import DECOYS
from .density import Density

MAPS = (".mrc", ".map", ".rec")
ANGSTROM_PER_NM = 10.0


def read_density(source: str | Path, *, mass: float | None = None, symmetry: str = "C1") -> Density:
    """A structure from its file or, where no such file exists, the decoy or shipped structure of that name.

    Args:
        source: A map (MRC), a cloud (PLY, OBJ, XYZ, CSV; nm unless it
            states another unit), or a name.
        mass: Da; without it, an estimate for a map, and for a cloud that of a density of protein in the
            volume of its points' ellipsoid.
        symmetry: Point group of a file's structure.

    Raises:
        HollyError: It is neither a file nor a known name, or the file can't be read as a structure.
    """
    path, name = Path(source), str(source)
    if not path.is_file():
        return _named(name)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else "".join(suffixes[-1:])
    stem = path.name.partition(".")[0]
    if suffix in MAPS:
        found = from_map(stem, _read_map(path), symmetry=symmetry)
    elif suffix in FORMATS:
        points = read_cloud(path).points * ANGSTROM_PER_NM
        found = Density.of(stem, points, _cloud_weights(points), symmetry=symmetry)
    else:
        raise HollyError(f"{path}: is no structure; give a map ({', '.join(MAPS)}) or a cloud ({', '.join(FORMATS)})")
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


def _read_map(path: Path) -> Volume:
    with foreign(path, "MRC"), require("mrcfile", f"{path}: MRC").open(path) as file:
        return Volume(np.array(file.data), float(file.voxel_size.x))


def _cloud_weights(points: Array) -> Array:
    """Equal weights, which sum to a density of protein in the ellipsoid with the second moments of the points."""
    spread = np.linalg.svd(points - points.mean(0), compute_uv=False) / len(points) ** 0.5
    volume = 4 / 3 * np.pi * np.prod(np.maximum(spread, 1.0) * 5**0.5)
    return np.full(len(points), PROTEIN_DA * volume / len(points))


def _named(name: str) -> Density:
    if name in DECOYS:
        return DECOYS[name]()
    if Path(name).suffix:
        raise missing(Path(name), "a structure's file")
    near = difflib.get_close_matches(name.lower(), DECOYS, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise HollyError(
        f"{name}: is neither a file nor a known structure; {hint}give a file, or one of {', '.join(DECOYS)}"
    )
