"""MATLAB files: particles in a cell array, or localisations in a struct of columns or a matrix."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.core.words import part_of

from .beside import table_of_leaves
from .columns import Table, asked, find_named, positions_in, table_of
from .containers import fields_in, leaves_in, table_from
from .matlab_values import Variable, variables
from .minflux import minflux_table
from .reading import Reading

SOURCE, CELLS = "MATLAB columns", "MATLAB cell array of particles"
DIMENSIONS = (2, 3)
POINTS = ("points", "coords", "xyz", "xy")
"""Fields of a particle's struct that hold positions."""
FUSION_COLUMNS, FUSION_PRECISION = 10, [4, 9]
"""Particles of smlm_datafusion3d (Heydarian et al. 2021) have ten columns: x, y, z first, the lateral uncertainty fifth,
the axial one tenth."""
PRECISION = ("precision", "precision z")
"""Names of the columns of a cell's uncertainties."""
NUMERIC = ("double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "logical")


@dataclass(frozen=True)
class Cell:
    """One cell: positions in either orientation ``[r, c]``, and their precision ``[n, 1 or 2]`` if the cell has it.

    The first column is lateral, the second axial.
    """

    points: Array
    sigma: Array | None


def read_mat(path: Path, reading: Reading) -> Table:
    """The content of a file, searched in this order.

    1. A cell array or array of structs with a particle each: positions 2xn, 3xn, nx2 or nx3, or a struct with these as
       ``points``, ``coords``, ``xyz``, ``xy``, or as columns ``x`` and ``y``. The struct's ``sigma``, if there, has the
       lateral precision in its first column, the axial one in its second. Particles are named by their place, from 1 as in MATLAB.
    2. Localisations of MINFLUX, as variables or as fields of a struct.
    3. Columns, such as ``x`` and ``y`` or ``pos`` nx3, in structs, such as SMAP's ``saveloc.loc``, or as variables; or
       whichever of them the user names.
    4. The largest matrix, whose columns have no names.

    Raises:
        HollyError: The file has none of these, is damaged, or has cells of other shapes.
    """
    with variables(path) as found:
        structs, failure = {}, None
        for variable in _largest(found, "cell", "struct"):
            value = variable.load()
            if isinstance(value, list) and not all(isinstance(cell, str) for cell in value):
                try:
                    return _table_of_cells(path, variable.name, value, reading)
                except HollyError as error:  # unless there is something else to read
                    failure = failure or error
            structs[variable.name] = value
        flat = [variable for variable in _largest(found, *NUMERIC) if len(variable.shape) == 2]
        tree = {variable.name: variable.load() for variable in found if variable in flat} | structs
        for part in (tree, *(struct for struct in structs.values() if isinstance(struct, Mapping))):
            if table := minflux_table(part):
                return table
        leaves = [*leaves_in(tree)]
        matrix = next((variable for variable in flat if min(variable.shape) > 1), None)
        table = table_of_leaves(SOURCE, leaves, reading)
        placed = table is not None and positions_in(table.columns)
        if failure and not placed:
            raise failure
        if table and (placed or asked(reading) or matrix is None) and not _all_numbers(reading):
            return table
        if matrix is not None:
            values = matrix.load()
            numbered = {str(index + 1): values[:, index] for index in range(values.shape[1])}
            return table_of(f"MATLAB matrix ({matrix.name})", numbered, named=False)
    listed = ", ".join(f"{variable.name} ({variable.kind})" for variable in found[:12]) or "no variables"
    raise HollyError(
        f"{path}: needs a cell array with a particle in each cell, a struct of columns x and y, or a matrix; found {listed}"
    )


def _all_numbers(reading: Reading) -> bool:
    """Whether the user names columns by number, as those of a matrix are."""
    names = [*asked(reading).values()]
    return bool(names) and all(name.isdecimal() for name in names)


def _largest(found: Sequence[Variable], *kinds: str) -> list[Variable]:
    chosen = [variable for variable in found if variable.kind in kinds and variable.size]
    return sorted(chosen, key=lambda variable: variable.size, reverse=True)


def _table_of_cells(path: Path, name: str, cells: list[Any], reading: Reading) -> Table:
    parsed = [_parse_cell(path, number, cell, reading) for number, cell in enumerate(cells, start=1)]
    columns_are_emitters, dimensions = _layout([cell.points.shape for cell in parsed])
    points = [_as_rows(path, i, c.points, columns_are_emitters, dimensions) for i, c in enumerate(parsed, start=1)]
    counts = np.array([len(rows) for rows in points], dtype=np.int64)
    columns = dict(zip("xyz", np.concatenate([np.empty((0, dimensions)), *points]).T, strict=False))
    columns["particle"] = np.repeat(np.arange(1, len(points) + 1), counts)
    precision = _precision(path, points, [cell.sigma for cell in parsed])
    if precision is not None:
        columns.update(zip(PRECISION[: dimensions - 1], precision.T, strict=False))
    empty = int((counts == 0).sum())
    notes = [part_of(empty, len(points), "particle", "{hold} no emitter and {were} skipped.")] if empty else []
    table = table_of(f"{CELLS} ({name})", columns, notes=notes, one_unit=True)
    if not any(isinstance(cell, Mapping) for cell in cells):
        return table
    # The user's column of x has the name x at this point.
    own = {axis: given for axis, given in asked(reading).items() if axis in "xyz" and not given.isdecimal()}
    return replace(table, columns=tuple(replace(column, label=own.get(column.name, "")) for column in table.columns))


def _parse_cell(path: Path, number: int, cell: Any, reading: Reading) -> Cell:
    if not isinstance(cell, Mapping):
        return Cell(_positions(path, number, cell), None)
    name = next((name for name in POINTS if name in cell), None)
    if name is None or "x" in asked(reading):
        return _parse_columns(path, number, cell, reading)
    values = _matrix(path, number, cell[name])
    if values.shape[1] == FUSION_COLUMNS and len(values) not in DIMENSIONS:
        return Cell(values[:, :3], values[:, FUSION_PRECISION])
    points = _positions(path, number, values)
    if "sigma" not in cell:
        return Cell(points, None)
    sigma = _matrix(path, number, cell["sigma"])
    return Cell(points, sigma if sigma.size else np.empty((0, 1)))


def _parse_columns(path: Path, number: int, cell: Mapping[str, Any], reading: Reading) -> Cell:
    """A struct of columns."""
    found = table_from("", fields_in(leaves_in(cell)), reading)
    columns = found[0].columns if found else ()
    axes = dict(positions_in(columns))
    for axis, name in asked(reading).items():
        column = find_named(columns, name) if axis in "xyz" else None
        axes |= {axis: column} if column else {}
    if found is None or not {"x", "y"} <= axes.keys():
        raise HollyError(
            f"{path}: cell {number} needs a struct with the field points, or with columns x and y, or "
            f"--columns x=NAME,y=NAME; found {', '.join([*cell][:12])}"
        )
    return Cell(
        np.stack([np.concatenate(part) for part in zip(*found[0].parts([*axes.values()]), strict=True)], axis=1), None
    )


def _positions(path: Path, number: int, values: Any) -> Array:
    """Positions in their stored orientation, 2xn, 3xn, nx2, nx3 or empty."""
    points = _matrix(path, number, values)
    if points.size and not {*points.shape} & {*DIMENSIONS}:
        found = "x".join(map(str, points.shape))
        raise HollyError(f"{path}: cell {number} must be 2xn, 3xn, nx2 or nx3; found {found}")
    return points


def _matrix(path: Path, number: int, values: Any) -> Array:
    if not isinstance(values, np.ndarray) or values.ndim != 2:
        raise HollyError(f"{path}: cell {number} must hold matrices of real numbers, positions 2xn, 3xn, nx2 or nx3")
    return values


def _layout(shapes: list[tuple[int, ...]]) -> tuple[bool, int]:
    """Whether columns are emitters, and their dimensions, by the majority of the unambiguous cells."""
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
    """Precision of all emitters ``[E, 1 or 2]``, in the unit of the positions, if every particle has it."""
    columns: list[Array] = []
    for number, (rows, sigma) in enumerate(zip(points, sigmas, strict=True), start=1):
        if sigma is None:
            return None
        if len(sigma) != len(rows):
            raise HollyError(f"{path}: cell {number} has {len(rows)} points but {len(sigma)} rows of sigma")
        columns.append(sigma.astype(np.float64))
    width = min((column.shape[1] for column in columns if len(column)), default=1)
    return np.concatenate([np.empty((0, width)), *(column[:, :width] for column in columns if len(column))])
