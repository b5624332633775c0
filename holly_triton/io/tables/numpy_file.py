"""NumPy's own files: a structured array, positions ``[E, 2 or 3]``, particles ``[P, n, 2 or 3]``, or an archive of columns."""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.io.text_table import parse_column

from .columns import Table, positions_in, table_of
from .picasso import LARGEST_RATIO
from .reading import Reading

Array = NDArray[Any]

SOURCE = "NumPy array"
POSITIONS = ("xyz", "xy", "points", "positions", "coords", "locs")
"""Arrays of an archive that hold positions."""


def read_npy(path: Path, reading: Reading) -> Table:
    """An array with named columns, of positions, or of columns that have no names.

    Raises:
        HollyError: damaged, Python objects, or another shape.
    """
    with foreign(path, "NumPy"):
        # Mapped, so that the header alone reserves nothing; and objects are never unpickled.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    columns, named = _columns_of(path, array)
    return table_of(SOURCE, columns, named=named, rows=len(next(iter(columns.values()), ())))


def read_npz(path: Path, reading: Reading) -> Table:
    """An archive of columns ``x``, ``y``, ... ``[E]``, or of ``xyz [E, 2 or 3]`` (or another of ``POSITIONS``) beside them.

    ``offsets [P + 1]`` marks particles that lie one after the other; a column ``particle`` marks them otherwise.

    Raises:
        HollyError: damaged, Python objects, no positions, or columns of different lengths.
    """
    with foreign(path, "NumPy archive"):
        _check_promises(path)
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    if len(arrays) == 1:
        columns, named = _columns_of(path, *arrays.values())
        return table_of(SOURCE, columns, named=named)
    offsets = arrays.pop("offsets", None)
    name = next((name for name in POSITIONS if name in arrays), None)
    columns = _columns_of(path, arrays.pop(name))[0] if name else {}
    columns |= {name: array for name, array in arrays.items() if array.ndim == 1 and array.dtype.kind in "fiu"}
    axes = positions_in([parse_column(name, index) for index, name in enumerate(columns)])
    if not axes:
        found = ", ".join(f"{name} {[*array.shape]}" for name, array in [*arrays.items()][:12])
        raise HollyError(f"{path}: needs arrays x and y, or one of {', '.join(POSITIONS)}; found {found}")
    rows = len([*columns.values()][axes["x"].index])
    if offsets is not None:
        columns["particle"] = _particle(path, offsets, rows)
    wrong = next((name for name, column in columns.items() if len(column) != rows), None)
    if wrong:
        raise HollyError(f"{path}: array {wrong} has {len(columns[wrong])} rows, the positions {rows}; all must agree")
    return table_of("NumPy archive", columns)


def _columns_of(path: Path, array: Array) -> tuple[dict[str, Array], bool]:
    """Columns of an array, and whether they have names."""
    if array.dtype.names and array.ndim == 1:
        return {name: array[name] for name in array.dtype.names if array.dtype[name].kind in "fiu"}, True
    if array.dtype.kind in "fiu" and array.ndim == 2 and array.shape[1] > 1:
        names, named = ("xyz", True) if array.shape[1] <= 3 else (range(1, array.shape[1] + 1), False)
        return {str(name): array[:, index] for index, name in zip(range(array.shape[1]), names, strict=False)}, named
    if array.dtype.kind in "fiu" and array.ndim == 3 and array.shape[2] in (2, 3):
        particles, emitters, dimensions = array.shape
        columns = dict(zip("xyz", array.reshape(-1, dimensions).T, strict=False))
        # Numbers that take no memory before they are asked for.
        number: Any = np.broadcast_to(np.arange(particles)[:, None], (particles, emitters)).flat
        return columns | {"particle": number}, True
    raise HollyError(
        f"{path}: needs named columns, positions [E, 2 or 3] or particles [P, n, 2 or 3]; "
        f"found {array.dtype} {[*array.shape]}"
    )


def _particle(path: Path, offsets: Array, rows: int) -> Array:
    """Which particle each row belongs to, from where each begins."""
    counts: Array = (
        np.diff(offsets.astype(np.int64)) if offsets.dtype.kind in "iu" and offsets.ndim == 1 else np.empty(0)
    )
    if not len(counts) or (counts < 0).any() or (offsets[0], offsets[-1]) != (0, rows):
        raise HollyError(f"{path}: offsets must be whole numbers that rise from 0 to the {rows} rows of positions")
    return np.repeat(np.arange(len(counts)), counts)


def _check_promises(path: Path) -> None:
    """Refuse arrays whose headers promise more than the archive's bytes can hold."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                version = npy_format.read_magic(file)
                read_header = (
                    npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
                )
                shape, _, dtype = read_header(file)
            nbytes = math.prod(shape) * dtype.itemsize
            if nbytes > member.file_size or nbytes > LARGEST_RATIO * path.stat().st_size:
                raise HollyError(f"{path}: {member.filename} promises {nbytes} bytes, more than there are")
