"""Variables of MATLAB files of either kind (versions 5 to 7, and 7.3, which is HDF5) as plain Python values.

A numeric array is an array in MATLAB's own orientation, a struct a mapping of its fields, a cell array or an array of
structs a list; text is a str. Anything else (functions, objects, sparse or complex arrays) is None.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.files import foreign

from .matlab_check import check_elements
from .matlab_hdf5 import Hdf5Values, class_of

OF_FLOATS = {"float64": "double", "float32": "single"}


@dataclass(frozen=True)
class Variable:
    """One variable: MATLAB's name of its class, its shape in MATLAB's own orientation, and its value on demand."""

    name: str
    kind: str
    shape: tuple[int, ...]
    load: Callable[[], Any]

    @property
    def size(self) -> int:
        """Number of its elements."""
        return math.prod(self.shape)


@contextmanager
def variables(path: Path) -> Iterator[list[Variable]]:
    """The variables of a file, which stays open inside the block. Reads inside the block can fail like the opening.

    Raises:
        HollyError: The file is damaged, or not a MATLAB file.
    """
    import h5py

    with foreign(path, "MATLAB"):
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                values = Hdf5Values(path)
                yield [_hdf5_variable(values, name, file[name]) for name in file if not name.startswith("#")]
        else:
            check_elements(path)
            yield [_variable(path, *found) for found in _whosmat(path)]


def _whosmat(path: Path) -> list[tuple[str, tuple[int, ...], str]]:
    """Name, shape and class of each variable; SciPy's own ``whosmat`` ends at the first object (a table, a string)."""
    import scipy.io  # half a second, which no reader of another format needs

    try:
        return list(scipy.io.whosmat(str(path)))
    except TypeError:
        values = {name: value for name, value in scipy.io.loadmat(str(path)).items() if not name.startswith("__")}
        return [(name, value.shape, _kind(value)) for name, value in values.items()]


def _kind(value: Any) -> str:
    """MATLAB's class of a value as SciPy loads it."""
    from scipy.io.matlab import MatlabOpaque

    if isinstance(value, MatlabOpaque):
        return f"object of class {value[0]['s2'].decode(errors='replace')}"
    if not isinstance(value, np.ndarray):
        return "sparse"
    if value.dtype.names is not None:
        return "struct"
    return {"O": "cell", "U": "char"}.get(value.dtype.kind) or OF_FLOATS.get(value.dtype.name, value.dtype.name)


def _variable(path: Path, name: str, shape: tuple[int, ...], kind: str) -> Variable:
    def load() -> Any:
        import scipy.io

        return _plain(scipy.io.loadmat(str(path), variable_names=[name])[name])

    return Variable(name, kind, tuple(shape), load)


def _hdf5_variable(values: Hdf5Values, name: str, item: Any) -> Variable:
    import h5py

    kind = class_of(item) or ("struct" if isinstance(item, h5py.Group) else "double")
    shape = (1, 1) if kind == "struct" else tuple(reversed(item.shape or (0,)))
    return Variable(name, kind, shape, lambda: values.of(item))


def _plain(value: Any) -> Any:
    from scipy.io.matlab import MatlabFunction, MatlabOpaque

    if isinstance(value, str) or not isinstance(value, np.ndarray) or isinstance(value, MatlabFunction | MatlabOpaque):
        return value if isinstance(value, str) else None
    if value.dtype.names is not None:
        structs = [{name: _plain(struct[name]) for name in value.dtype.names} for struct in value.ravel()]
        return structs[0] if len(structs) == 1 else structs
    if value.dtype.kind == "O":
        return [_plain(cell) for cell in value.ravel()]
    if value.dtype.kind == "U":
        return " ".join(value.ravel().tolist())
    return value if value.dtype.kind in "fiub" else None
