"""The data sets of an HDF5 file at any depth of groups, without links."""

from pathlib import Path
from typing import Any

from holly_triton.core.files import foreign
from holly_triton.core.types import Array

from .containers import Leaf
from .hdf5_check import check_layout, check_size

DEEPEST = 20
"""Depth of nested groups that is searched."""
MOST_OBJECTS = 5000
"""Largest number of groups and data sets that is examined, level by level: each takes some ten microseconds."""


def leaves_of(path: Path, file: Any) -> list[Leaf]:
    """The data sets of an open file, level by level, each once; links are left out."""
    import h5py

    found: list[Leaf] = []
    level, seen, looked = [("", file)], {h5py.h5o.get_info(file.id).addr}, 0
    for _ in range(DEEPEST):
        below = []
        for place, group in level:
            for name in group:
                looked += 1
                if looked > MOST_OBJECTS:
                    return found
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    continue
                item = group[name]
                address = h5py.h5o.get_info(item.id).addr
                if address in seen:
                    continue
                seen.add(address)
                if isinstance(item, h5py.Group):
                    below.append((f"{place}.{name}" if place else name, item))
                elif isinstance(item, h5py.Dataset) and item.shape is not None:
                    found.append(leaf_of_dataset(path, item, place))
        level = below
    return found


def leaf_of_dataset(path: Path, dataset: Any, place: str = "") -> Leaf:
    """A data set, checked once, whose file is opened again for each read."""
    whole = dataset.name

    def read(index: tuple[slice, ...]) -> Array:
        import h5py

        with foreign(path, "HDF5"), h5py.File(path) as file:
            item = file[whole]
            check_size(path, item, "localisations")
            if item.dtype.names:
                check_layout(path, item)
            block: Array = item[index]
            return block

    return Leaf(place, whole.rsplit("/", 1)[-1], tuple(dataset.shape), dataset.dtype, read)
