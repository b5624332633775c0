"""Volumes in HDF5: those of DeepFinder, EMAN2 and ilastik, our own, and any file with one 3D data set."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.io.tables.hdf5_check import check_no_set, check_size

from .raw import MAPPED_BYTES, RawVolume, as_float32

DATASET, VOXEL = "dataset", "voxel_size_angstrom"
"""DeepFinder's name of the only data set, and the attribute in which we state its voxel size."""
PREFERRED = (DATASET, "volume", "tomogram", "data")
"""Names that decide between several data sets."""
EMAN = ("EMAN.apix_x", "EMAN.apix_y", "EMAN.apix_z")
ELEMENT_SIZE, ANGSTROM_PER_UM = "element_size_um", 1e4
MOST_LISTED = 8


def read_hdf5(path: Path) -> RawVolume:
    """The only 3D data set of a file, or that of a usual name (``dataset``, ``volume``, ``tomogram``, ``data``).

    Raises:
        HollyError: There is none, several could be meant, or the file is damaged.
    """
    import h5py

    with foreign(path, "HDF5"), h5py.File(path) as file:
        check_no_set(path, file, "one volume")
        dataset = _chosen(path, file)
        check_size(path, dataset, "voxels")
        values = _values(path, dataset)
        shape = values.shape[-3:]
        kind = f"HDF5, {dataset.name} ({dataset.dtype.name})"
        return RawVolume(values.reshape(shape), _sides(dataset), kind, dataset.dtype)


def _chosen(path: Path, file: Any) -> Any:
    import h5py

    found: list[Any] = []

    def look(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "biuf" and _is_volume(item.shape):
            found.append(item)

    file.visititems(look)
    if len(found) == 1:
        return found[0]
    for name in PREFERRED:
        named = [item for item in found if item.name.rpartition("/")[2] == name]
        if len(named) == 1:
            return named[0]
    if not found:
        raise HollyError(f"{path}: has no data set of three axes with numbers; export the volume again")
    names = ", ".join(item.name for item in found[:MOST_LISTED]) + (", ..." if len(found) > MOST_LISTED else "")
    raise HollyError(f"{path}: has several volumes ({names}); save the one that is meant in a file of its own")


def _is_volume(shape: tuple[int, ...] | None) -> bool:
    return shape is not None and len(shape) >= 3 and math.prod(shape[:-3]) == 1 and min(shape) > 0


def _values(path: Path, dataset: Any) -> Any:
    offset = dataset.id.get_offset()  # None where the values are packed or in chunks
    if offset is not None and dataset.dtype == np.float32 and dataset.nbytes > MAPPED_BYTES:
        return np.asarray(np.memmap(path, dataset.dtype, "c", offset, dataset.shape))
    return as_float32(dataset[...])


def _sides(dataset: Any) -> tuple[float, float, float] | None:
    """Sides of a voxel along x, y, z in Å, where an attribute of a known name states them."""
    attributes = {**dataset.parent.attrs, **dataset.attrs}
    if VOXEL in attributes:
        side = float(attributes[VOXEL])
        return side, side, side
    if all(name in attributes for name in EMAN):
        x, y, z = (float(attributes[name]) for name in EMAN)
        return x, y, z
    if ELEMENT_SIZE in attributes:
        z, y, x = (float(side) * ANGSTROM_PER_UM for side in np.ravel(attributes[ELEMENT_SIZE])[-3:])
        return x, y, z
    return None
