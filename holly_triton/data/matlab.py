"""MATLAB files (version 5 to 7) with a cell array of particles."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

from holly_triton.errors import HollyError
from holly_triton.files import foreign

from .localisations import Localisations, localisations_from_rows
from .reading import Reading

Array = NDArray[Any]

SOURCE = "MATLAB cell array of particles"
DIMENSIONS = (2, 3)


@dataclass(frozen=True)
class Cell:
    """One cell: positions as they lie ``[r, c]``, and their lateral precision ``[n]`` if the cell has it."""

    points: Array
    sigma: Array | None


def read_mat(path: Path, reading: Reading) -> Localisations:
    """Read a cell array of positions, 2xn, 3xn, nx2 or nx3 a cell, or of structs with these as ``points``.

    The struct's ``sigma``, if there, has the lateral precision in its first column, in the unit of the
    positions. Particles are named by their place, from 1 as in MATLAB.

    Raises:
        HollyError: no such array, HDF5 (version 7.3), damaged, or cells of other shapes.
    """
    name, cells = _read_cells(path)
    parsed = [_parse_cell(path, number, cell) for number, cell in enumerate(cells, start=1)]
    columns_are_emitters, dimensions = _layout([cell.points.shape for cell in parsed])
    points = [_as_rows(path, i, c.points, columns_are_emitters, dimensions) for i, c in enumerate(parsed, start=1)]
    nm = reading.nm_per(None, path)
    precision = _precision(path, points, [cell.sigma for cell in parsed])
    return localisations_from_rows(
        np.concatenate(points) * nm,
        np.array([len(rows) for rows in points]),
        [str(number) for number in range(1, len(points) + 1)],
        source=f"{SOURCE} ({name})",
        notes=reading.notes(None),
        precision=None if precision is None else precision * nm,
    )


def _read_cells(path: Path) -> tuple[str, list[Any]]:
    """Name and cells of the largest cell array of the file."""
    with foreign(path, "MATLAB"):
        try:
            variables = scipy.io.whosmat(str(path))
        except NotImplementedError as error:
            raise HollyError(f"{path}: is MATLAB 7.3 (HDF5); save it with save(..., '-v7')") from error
        arrays = [(np.prod(shape), name) for name, shape, kind in variables if kind == "cell" and np.prod(shape)]
        if not arrays:
            found = ", ".join(f"{name} ({kind})" for name, _, kind in variables[:12]) or "no variables"
            raise HollyError(f"{path}: needs a cell array with a particle in each cell; found {found}")
        name = max(arrays)[1]
        cells = scipy.io.loadmat(str(path), variable_names=[name])[name]
    return str(name), list(cells.ravel())


def _parse_cell(path: Path, number: int, cell: Any) -> Cell:
    fields = getattr(getattr(cell, "dtype", None), "names", None)
    if fields is None:
        return Cell(_positions(path, number, cell), None)
    if "points" not in fields or cell.size != 1:
        raise HollyError(f"{path}: cell {number} needs a struct with the field points; found {', '.join(fields)}")
    points = _positions(path, number, cell["points"].item())
    if "sigma" not in fields:
        return Cell(points, None)
    sigma = _matrix(path, number, cell["sigma"].item())
    return Cell(points, sigma[:, 0] if sigma.size else np.empty(0))


def _positions(path: Path, number: int, values: Any) -> Array:
    """Positions as they lie, 2xn, 3xn, nx2, nx3 or nothing at all."""
    points = _matrix(path, number, values)
    if points.size and not {*points.shape} & {*DIMENSIONS}:
        found = "x".join(map(str, points.shape))
        raise HollyError(f"{path}: cell {number} must be 2xn, 3xn, nx2 or nx3; found {found}")
    return points


def _matrix(path: Path, number: int, values: Any) -> Array:
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "fiu":
        raise HollyError(f"{path}: cell {number} must hold matrices of real numbers, positions 2xn, 3xn, nx2 or nx3")
    return values


def _layout(shapes: list[tuple[int, ...]]) -> tuple[bool, int]:
    """Whether columns are emitters, and of how many dimensions, as most cells that leave no doubt have it."""
    clear: Counter[tuple[bool, int]] = Counter()
    for rows, columns in shapes:
        if 0 in (rows, columns) or (rows in DIMENSIONS) == (columns in DIMENSIONS):
            continue
        clear[(True, rows) if rows in DIMENSIONS else (False, columns)] += 1
    if clear:
        return clear.most_common(1)[0][0]
    return True, next((rows for rows, _ in shapes if rows in DIMENSIONS), 2)


def _as_rows(path: Path, number: int, points: Array, columns_are_emitters: bool, dimensions: int) -> Array:
    """Positions ``[n, 2 or 3]`` float64."""
    rows = points.T if columns_are_emitters else points
    if points.size == 0:
        return np.empty((0, dimensions))
    if rows.shape[1] != dimensions:
        wanted = f"{dimensions}xn" if columns_are_emitters else f"nx{dimensions}"
        found = "x".join(map(str, points.shape))
        raise HollyError(f"{path}: cell {number} is {found}; the others are {wanted}, and all must agree")
    return rows.astype(np.float64)


def _precision(path: Path, points: list[Array], sigmas: list[Array | None]) -> Array | None:
    """Lateral precision of all emitters ``[E]``, in the unit of the positions, if every particle has it."""
    columns = []
    for number, (rows, sigma) in enumerate(zip(points, sigmas, strict=True), start=1):
        if sigma is None:
            return None
        if len(sigma) != len(rows):
            raise HollyError(f"{path}: cell {number} has {len(rows)} points but {len(sigma)} rows of sigma")
        columns.append(sigma.astype(np.float64))
    return np.concatenate(columns)
