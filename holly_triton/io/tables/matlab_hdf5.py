"""Values of MATLAB files of version 7.3, which are HDF5 with reversed axes, and cells and arrays of structs as references.

References may point to one object from many places, or in a cycle, so that a few kB can represent any number of values:
each object is read once, and counts against the file's budget as often as it is used.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError

from .budget import LARGEST_RATIO, Budget
from .hdf5_check import check_size
from .matlab_check import DEEPEST


class Hdf5Values:
    """Reads values of one open file, as ``matlab_values`` describes them.

    Raises:
        HollyError: a link to another file, or numbers that the file's bytes can't hold.
        ValueError: cells that contain themselves, lie too deep, or unfold to more than the file's bytes can hold.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.budget = path, Budget.of_bytes(path)
        self.known: dict[int, tuple[Any, int]] = {}
        self.open: set[int] = set()

    def of(self, item: Any, depth: int = 0) -> Any:
        """The value of a group or a data set."""
        import h5py

        if item.file.filename != str(self.path):
            raise HollyError(f"{self.path}: {item.name} is only a link to another file; save the data in one")
        address = h5py.h5o.get_info(item.id).addr
        if address in self.known:
            value, cost = self.known[address]
            self.budget.spend(cost)
            return value
        if address in self.open or depth > DEEPEST:
            raise ValueError("a cell that contains itself" if address in self.open else f"cells {depth} deep")
        self.open.add(address)
        before = self.budget.left
        value = self._group(item, depth) if isinstance(item, h5py.Group) else self._dataset(item, depth)
        self.open.remove(address)
        self.known[address] = value, before - self.budget.left
        return value

    def _group(self, group: Any, depth: int) -> Any:
        import h5py

        fields = [field for field in group.values() if isinstance(field, h5py.Dataset)]
        if fields and len(fields) == len(group) and all(_is_array_of_structs(field) for field in fields):
            columns = {name: self.of(field, depth + 1) for name, field in group.items()}
            return [dict(zip(columns, struct, strict=True)) for struct in zip(*columns.values(), strict=True)]
        return _Struct(self, group, depth)

    def _dataset(self, item: Any, depth: int) -> Any:
        import h5py

        if item.attrs.get("MATLAB_empty", 0) or item.shape is None:
            return [] if class_of(item) == "cell" else np.empty((0, 0))
        check_size(self.path, item)
        if h5py.check_ref_dtype(item.dtype) is not None:
            # As many references as the file has bytes: each becomes an object of Python, of some hundred bytes.
            self.budget.spend(LARGEST_RATIO * item.size)
            return [self.of(item.file[reference], depth + 1) for reference in item[()].ravel()]
        self.budget.spend(item.size * item.dtype.itemsize)
        if class_of(item) == "char":
            return item[()].astype("<u2").tobytes().decode("utf-16-le", errors="replace")
        return item[()].T if item.dtype.kind in "fiu" else None


class _Struct(Mapping[str, Any]):
    """Fields that are read on access: SMAP stores the state of its windows beside the localisations."""

    def __init__(self, values: Hdf5Values, group: Any, depth: int) -> None:
        self.values_of, self.group, self.depth = values, group, depth

    def __getitem__(self, name: str) -> Any:
        return self.values_of.of(self.group[name], self.depth + 1)

    def __iter__(self) -> Iterator[str]:
        return iter(self.group)

    def __len__(self) -> int:
        return len(self.group)


def class_of(item: Any) -> str:
    """MATLAB's name of the class of a variable; empty where the file does not state it."""
    kind = item.attrs.get("MATLAB_class", b"")
    return kind.decode() if isinstance(kind, bytes) else str(kind)


def _is_array_of_structs(field: Any) -> bool:
    """Each field of an array of structs is a row of references that, unlike a cell array, has no class."""
    import h5py

    return h5py.check_ref_dtype(field.dtype) is not None and not class_of(field)
