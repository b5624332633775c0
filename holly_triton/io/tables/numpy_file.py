"""NumPy's own files: a structured array, positions ``[E, 2 or 3]``, particles ``[P, n, 2 or 3]``, or an archive of columns."""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.types import Array

from .beside import table_of_leaves
from .columns import Table, table_of
from .containers import POSITIONS, leaf_of, leaves_in
from .minflux import minflux_table
from .reading import Reading
from .zip_check import check_members

SOURCE = "NumPy array"


def read_npy(path: Path, reading: Reading) -> Table:
    """An array with named columns, of positions, or of columns that have no names.

    Raises:
        HollyError: The file is damaged, holds Python objects, or has another shape.
    """
    with foreign(path, "NumPy"):
        # Mapped, so that the header alone reserves nothing; and objects are never unpickled.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    return _table_of_one(path, array, reading)


def read_npz(path: Path, reading: Reading) -> Table:
    """An archive of columns ``x``, ``y``, ... ``[E]``, or of ``xyz [E, 2 or 3]`` (or another of ``POSITIONS``) beside them.

    ``offsets [P + 1]`` marks particles in contiguous rows; a column ``particle`` marks them otherwise.

    Raises:
        HollyError: The file is damaged, holds Python objects or no positions, or has columns of different lengths.
    """
    with foreign(path, "NumPy archive"):
        _check_promises(path)
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    if len(arrays) == 1:
        return _table_of_one(path, next(iter(arrays.values())), reading)
    offsets = arrays.pop("offsets", None)
    table = minflux_table(arrays) or table_of_leaves("NumPy archive", [*leaves_in(arrays)], reading)
    found = ", ".join(f"{name} {[*array.shape]}" for name, array in [*arrays.items()][:12])
    if table is None:
        raise HollyError(f"{path}: needs arrays x and y, or one of {', '.join(POSITIONS)}; found {found or 'nothing'}")
    if offsets is not None:
        arrays["particle"] = _particle(path, offsets, table.rows)
        table = table_of_leaves("NumPy archive", [*leaves_in(arrays)], reading) or table
    odd = next((name for name, array in arrays.items() if array.ndim == 1 and len(array) not in (1, table.rows)), None)
    if odd and reading.columns is None:
        raise HollyError(
            f"{path}: array {odd} has {len(arrays[odd])} rows, the positions {table.rows}; all must agree, "
            f"or --columns x=NAME,y=NAME say which are the positions; found {found}"
        )
    return table


def _table_of_one(path: Path, array: Array, reading: Reading) -> Table:
    """The columns of an array that stands alone."""
    if array.dtype.names:
        records = {name: array[name] for name in array.dtype.names}
        table = minflux_table(records) or table_of_leaves(SOURCE, [leaf_of("", "", array)], reading)
        if table is not None:
            return table
    elif array.dtype.kind in "fiu" and array.ndim == 2 and array.shape[1] > 1:
        if array.shape[1] <= 3:
            columns = dict(zip("xyz", array.T, strict=False))
            return table_of(SOURCE, columns, rows=len(array), one_unit=True)
        numbered = {str(index + 1): array[:, index] for index in range(array.shape[1])}
        return table_of(SOURCE, numbered, rows=len(array), named=False)
    elif array.dtype.kind in "fiu" and array.ndim == 3 and array.shape[2] in (2, 3):
        particles, emitters, dimensions = array.shape
        columns = dict(zip("xyz", array.reshape(-1, dimensions).T, strict=False))
        # Numbers that take no memory before they are read.
        number: Any = np.broadcast_to(np.arange(particles)[:, None], (particles, emitters)).flat
        return table_of(SOURCE, columns | {"particle": number}, rows=particles * emitters, one_unit=True)
    what = f"{array.dtype} {[*array.shape]}"[:200]
    stack = "; pictures are read as TIFF, MRC or FITS" if array.ndim == 3 else ""
    raise HollyError(
        f"{path}: needs named columns, positions [E, 2 or 3] or particles [P, n, 2 or 3]; found {what}{stack}"
    )


def _particle(path: Path, offsets: Array, rows: int) -> Array:
    """The particle of each row, from the first row of each particle."""
    counts: Array = (
        np.diff(offsets.astype(np.int64)) if offsets.dtype.kind in "iu" and offsets.ndim == 1 else np.empty(0)
    )
    if not len(counts) or (counts < 0).any() or (offsets[0], offsets[-1]) != (0, rows):
        raise HollyError(f"{path}: offsets must be whole numbers that rise from 0 to the {rows} rows of positions")
    return np.repeat(np.arange(len(counts)), counts)


def _check_promises(path: Path) -> None:
    """Refuse arrays whose headers declare more than the archive's bytes can hold."""
    with zipfile.ZipFile(path) as archive:
        check_members(path, archive)
        for member in archive.infolist():
            with archive.open(member) as file:
                version = npy_format.read_magic(file)
                read_header = (
                    npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
                )
                shape, _, dtype = read_header(file)
            nbytes = math.prod(shape) * dtype.itemsize
            if nbytes > member.file_size:
                raise HollyError(f"{path}: {member.filename} promises {nbytes} bytes, more than there are")
