"""Variables of MATLAB files of either kind (versions 5 to 7, and 7.3, which is HDF5) as plain Python values.

A numeric array is an array in MATLAB's own orientation, a struct a mapping of its fields, a cell array or an array of
structs a list; text is a str. Anything else (functions, objects, sparse or complex arrays) is None.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from scipy.io.matlab import MatlabFunction, MatlabOpaque

from holly_triton.core.files import foreign

from .hdf5 import check_size
from .matlab_check import check_elements

OF_FLOATS = {"float64": "double", "float32": "single"}


@dataclass(frozen=True)
class Variable:
    """One variable: what MATLAB calls its class, how many elements it has, and its value on demand."""

    name: str
    kind: str
    size: int
    load: Callable[[], Any]


@contextmanager
def variables(path: Path) -> Iterator[list[Variable]]:
    """The variables of a file, which stays open inside the block. What the block reads can fail like the opening.

    Raises:
        HollyError: damaged, or no MATLAB file.
    """
    import h5py

    with foreign(path, "MATLAB"):
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                yield [_hdf5_variable(path, name, item) for name, item in file.items() if not name.startswith("#")]
        else:
            check_elements(path)
            yield [_variable(path, *found) for found in _whosmat(path)]


def _whosmat(path: Path) -> list[tuple[str, tuple[int, ...], str]]:
    """Name, shape and class of each variable; SciPy's own ``whosmat`` ends at the first object (a table, a string)."""
    try:
        return list(scipy.io.whosmat(str(path)))
    except TypeError:
        values = {name: value for name, value in scipy.io.loadmat(str(path)).items() if not name.startswith("__")}
        return [(name, value.shape, _kind(value)) for name, value in values.items()]


def _kind(value: Any) -> str:
    """MATLAB's class of a value as SciPy loads it."""
    if isinstance(value, MatlabOpaque):
        return f"object of class {value[0]['s2'].decode(errors='replace')}"
    if not isinstance(value, np.ndarray):
        return "sparse"
    if value.dtype.names is not None:
        return "struct"
    return {"O": "cell", "U": "char"}.get(value.dtype.kind) or OF_FLOATS.get(value.dtype.name, value.dtype.name)


def _variable(path: Path, name: str, shape: tuple[int, ...], kind: str) -> Variable:
    size = math.prod(shape)

    return Variable(name, kind, size, lambda: _plain(scipy.io.loadmat(str(path), variable_names=[name])[name]))


def _plain(value: Any) -> Any:
    if isinstance(value, str) or not isinstance(value, np.ndarray) or isinstance(value, MatlabFunction | MatlabOpaque):
        return value if isinstance(value, str) else None
    if value.dtype.names is not None:
        structs = [{name: _plain(struct[name]) for name in value.dtype.names} for struct in value.ravel()]
        return structs[0] if len(structs) == 1 else structs
    if value.dtype.kind == "O":
        return [_plain(cell) for cell in value.ravel()]
    if value.dtype.kind == "U":
        return " ".join(value.ravel().tolist())
    return value if value.dtype.kind in "fiu" else None


def _hdf5_variable(path: Path, name: str, item: Any) -> Variable:
    import h5py

    kind = _class(item) or ("struct" if isinstance(item, h5py.Group) else "double")
    size = 1 if kind == "struct" else math.prod(item.shape or (0,))
    return Variable(name, kind, size, lambda: _hdf5_value(path, item))


def _class(item: Any) -> str:
    kind = item.attrs.get("MATLAB_class", b"")
    return kind.decode() if isinstance(kind, bytes) else str(kind)


class _Struct(Mapping[str, Any]):
    """Fields that are read when asked for: SMAP keeps the state of its windows beside the localisations."""

    def __init__(self, path: Path, group: Any) -> None:
        self.path, self.group = path, group

    def __getitem__(self, name: str) -> Any:
        return _hdf5_value(self.path, self.group[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.group)

    def __len__(self) -> int:
        return len(self.group)


def _hdf5_value(path: Path, item: Any) -> Any:
    import h5py

    if isinstance(item, h5py.Group):
        fields = [field for field in item.values() if isinstance(field, h5py.Dataset)]
        if fields and len(fields) == len(item) and all(_is_array_of_structs(field) for field in fields):
            columns = {name: _hdf5_value(path, field) for name, field in item.items()}
            return [dict(zip(columns, struct, strict=True)) for struct in zip(*columns.values(), strict=True)]
        return _Struct(path, item)
    if item.attrs.get("MATLAB_empty", 0) or item.shape is None:
        return [] if _class(item) == "cell" else np.empty((0, 0))
    check_size(path, item)
    if h5py.check_ref_dtype(item.dtype) is not None:
        return [_hdf5_value(path, item.file[reference]) for reference in item[()].ravel()]
    if _class(item) == "char":
        return "".join(map(chr, item[()].ravel()))
    return item[()].T if item.dtype.kind in "fiu" else None


def _is_array_of_structs(field: Any) -> bool:
    """Each field of an array of structs is a row of references that, unlike a cell array, has no class."""
    import h5py

    return h5py.check_ref_dtype(field.dtype) is not None and not _class(field)
