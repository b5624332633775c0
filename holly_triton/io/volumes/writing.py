"""Writing volumes: MRC, EM or HDF5 by the suffix, always with the voxel size."""

from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.optional import require
from holly_triton.core.types import Array

from .em import HEADER, PC, PIXEL, TYPES, UNIT_ANGSTROM
from .hdf5 import DATASET, VOXEL
from .reading import SUFFIXES, format_of

NARROW = {"MRC": ("i1", "i2"), "EM": ("i2", "i4"), "HDF5": ("i1", "i2", "i4")}
"""Types in which each format keeps whole numbers, the narrowest first; float32 holds all else."""


def check_volume_suffix(path: Path) -> str:
    """The format that volumes are written in under this suffix.

    Raises:
        HollyError: There is none.
    """
    kind = format_of(path)
    if kind is None or path.suffix.lower() == ".gz":
        known = ", ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
        raise HollyError(f"{path}: is not a volume by its suffix; write {known}")
    return kind


def write_volume(path: Path, values: Any, voxel: float) -> None:
    """Write a volume, by suffix as MRC (``.mrc``, ``.map``, ``.rec``), EM (``.em``) or HDF5 (``.h5``, ``.hdf5``).

    Whole numbers, such as labels, stay whole; 0 to 127 become bytes that are the same with and without a sign. All else is
    written as float32. The first voxel is at the origin.

    Args:
        path: The file.
        values: ``[Z, Y, X]``, anything that NumPy takes.
        voxel: Side of a voxel, Å.

    Raises:
        HollyError: The suffix is another, there are not three axes, the voxel is not above 0, or writing fails.
    """
    kind = check_volume_suffix(path)
    array = np.asarray(values)
    if array.ndim != 3 or array.size == 0:
        raise HollyError(f"{path}: an array of shape {array.shape} is not a volume; it must have three axes")
    if not 0 < voxel < float("inf"):
        raise HollyError(f"{path}: a voxel of {voxel:g} Å is not possible; it must be above 0 Å")
    array = array.astype(_type_for(array, NARROW[kind]), copy=False)
    with replacing(path) as partial:
        {"MRC": _write_mrc, "EM": _write_em, "HDF5": _write_hdf5}[kind](partial, array, voxel)


def _type_for(array: Array, narrow: tuple[str, ...]) -> np.dtype[Any]:
    if array.dtype.kind == "b":
        return np.dtype(narrow[0])
    if array.dtype.kind in "iu":
        least, most = int(array.min()), int(array.max())
        for name in narrow:
            bounds = np.iinfo(name)
            # Signed bytes below 0 would be read as large numbers by programs that take bytes for unsigned.
            if bounds.min <= least <= most <= bounds.max and (least >= 0 or name != "i1"):
                return np.dtype(name)
    return np.dtype("f4")


def _write_mrc(path: Path, array: Array, voxel: float) -> None:
    mrcfile = require("mrcfile", "writing MRC")
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(array)
        file.set_volume()
        file.voxel_size = voxel
        # The library's label holds the time; the same values must give the same bytes.
        file.header.nlabl, file.header.label = 0, b""
        file.add_label("holly-triton")


def _write_em(path: Path, array: Array, voxel: float) -> None:
    header = np.zeros((), HEADER)
    header["machine"] = PC
    header["type"] = next(number for number, name in TYPES.items() if np.dtype(name) == array.dtype)
    header["nz"], header["ny"], header["nx"] = array.shape
    header["parameters"][PIXEL] = round(voxel / UNIT_ANGSTROM)
    with path.open("wb") as file:
        file.write(header.tobytes())
        np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tofile(file)


def _write_hdf5(path: Path, array: Array, voxel: float) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file[DATASET] = array
        file[DATASET].attrs[VOXEL] = voxel
