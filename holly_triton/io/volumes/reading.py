"""Reading volumes: the format by the suffix, and a voxel size that is stated or given, never guessed."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import missing
from holly_triton.core.types import Array

from .em import read_em
from .hdf5 import read_hdf5
from .mrc import read_mrc
from .raw import RawVolume, Source
from .volume import Volume

SUFFIXES = {"MRC": (".mrc", ".map", ".rec", ".st", ".mrcs", ".ccp4"), "EM": (".em",), "HDF5": (".h5", ".hdf5", ".hdf")}
"""Suffixes of each format, lower case; MRC and EM may be packed (``.mrc.gz``)."""
READERS: dict[str, Callable[[Path], RawVolume]] = {
    "MRC": lambda path: read_mrc(Source(path)),
    "EM": lambda path: read_em(Source(path)),
    "HDF5": read_hdf5,
}
UNSET_ANGSTROM, UNSET_TOLERANCE = 1.0, 1e-4
"""The voxel size that programs write by default, and how nearly."""
SMALLEST_ANGSTROM, LARGEST_ANGSTROM = 0.1, 1000.0
"""A stated size out of these bounds is none: an atom is larger, and so is a cell smaller."""
CUBE_TOLERANCE = 1e-3
"""Relative difference of sides up to which voxels are cubes: some programs round the sides of the whole volume."""
SECTIONS = 32
"""Sections that are checked at a time."""


def format_of(path: Path) -> str | None:
    """The format of a volume, one of ``SUFFIXES``, by the suffix; None for any other file."""
    name = path.name.lower().removesuffix(".gz")
    return next((kind for kind, suffixes in SUFFIXES.items() if name.endswith(suffixes)), None)


def read_raw(path: Path) -> RawVolume:
    """The values of a file, with the voxel size that it states, whether usable or not.

    Raises:
        HollyError: The file is not there, of another format, truncated, or damaged.
    """
    if not path.is_file():
        raise missing(path, "a volume")
    kind = format_of(path)
    if kind is None:
        known = ", ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
        raise HollyError(f"{path}: is not a volume by its suffix; volumes are {known}")
    return READERS[kind](path)


def read_volume(path: Path, voxel_size: float | None = None) -> Volume:
    """Read a volume from MRC, EM or HDF5 as float32; large files are mapped into memory, and never changed.

    Args:
        path: The file; ``.mrc``, ``.map`` and ``.em`` may be packed by gzip.
        voxel_size: Å; takes precedence over what the file states.

    Raises:
        HollyError: There is no voxel size, voxels are no cubes, a value is not finite, or the file can't be read.
    """
    raw = read_raw(path)
    stated = stated_voxel(raw)
    if voxel_size is None:
        if uneven(raw):
            raise HollyError(
                f"{path}: has voxels of {sides_in_words(raw)}, in Å; resample it to cubes, or give --voxel-size A if the "
                "header is wrong"
            )
        if stated is None:
            raise HollyError(
                f"{path}: does not state its voxel size (its header says {sides_in_words(raw)}); give it with "
                "--voxel-size A"
            )
        _check_finite(path, raw.values)
        return Volume(raw.values, stated, raw.remarks)
    if not 0 < voxel_size < math.inf:
        raise HollyError(f"{path}: a voxel of {voxel_size:g} Å is not possible; it must be above 0 Å")
    remarks = [*raw.remarks]
    if (uneven(raw) or stated is not None) and not _near(voxel_size, raw.sides or ()):
        remarks.append(f"The given voxel size, {voxel_size:g} Å, was used, and the header says {sides_in_words(raw)}.")
    _check_finite(path, raw.values)
    return Volume(raw.values, voxel_size, remarks)


def stated_voxel(raw: RawVolume) -> float | None:
    """The voxel size that a file states, Å; None where it states none, a default, or different sides."""
    if raw.sides is None or not all(SMALLEST_ANGSTROM <= side <= LARGEST_ANGSTROM for side in raw.sides):
        return None
    if all(abs(side - UNSET_ANGSTROM) <= UNSET_TOLERANCE for side in raw.sides) or uneven(raw):
        return None
    # A header of float32 gives sides that differ in the last digit.
    return float(f"{sum(raw.sides) / 3:.6g}")


def uneven(raw: RawVolume) -> bool:
    """Whether the stated sides are above 0 and differ by more than rounding, or are not at right angles."""
    sides = raw.sides
    return (
        raw.skew is not None
        or sides is not None
        and all(0 < side < math.inf for side in sides)
        and not _near(sides[0], sides)
    )


def sides_in_words(raw: RawVolume) -> str:
    """The stated sides: one number, three, or ``nothing``; and angles that are not right."""
    if raw.sides is None:
        return "nothing"
    if raw.skew is not None:
        listed = ", ".join(f"{angle:g}" for angle in raw.skew)
        return " x ".join(f"{side:.6g}" for side in raw.sides) + f" at angles of {listed} degrees"
    if _near(raw.sides[0], raw.sides) or len({*raw.sides}) == 1:
        return f"{raw.sides[0]:.6g}"
    return " x ".join(f"{side:.6g}" for side in raw.sides)


def _near(side: float, sides: tuple[float, ...]) -> bool:
    return all(math.isclose(side, other, rel_tol=CUBE_TOLERANCE) for other in sides)


def _check_finite(path: Path, values: Array) -> None:
    for start in range(0, len(values), SECTIONS):
        bad = np.size(part := values[start : start + SECTIONS]) - np.count_nonzero(np.isfinite(part))
        if bad:
            raise HollyError(
                f"{path}: has values that are not finite numbers, the first of them in sections from {start}; "
                "replace them by the mean"
            )
