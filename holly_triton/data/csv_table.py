"""ThunderSTORM-style CSV: one localisation a row, a column that says which particle it belongs to."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holly_triton.errors import HollyError
from holly_triton.text_table import Column, Header, read_columns, read_header

from .localisations import Localisations, localisations_from_rows
from .reading import Reading

Array = NDArray[Any]

SOURCE = "ThunderSTORM-style CSV"
PARTICLE = ("particle", "group", "cluster", "id_particle")
PRECISION = ("uncertainty", "uncertainty_xy")
"""Not ``sigma``, which is the width of the PSF."""
LARGEST_ID = 2**53
"""Above it, neighbouring whole numbers are the same float64."""


def read_csv(path: Path, reading: Reading) -> Localisations:
    """Read localisations with absolute positions; rows of a particle may lie anywhere in the file.

    Columns, in any case: ``x``, ``y`` and perhaps ``z``, each with a unit as ``x [nm]``; ``group``,
    ``particle``, ``cluster`` or ``id_particle``; perhaps ``intensity`` and ``uncertainty`` or
    ``uncertainty_xy``. Rows with a negative id belong to no particle, as clustering programs mean it.

    Raises:
        HollyError: missing columns, cells that hold no numbers, ids too large, or damaged text.
    """
    header = read_header(path)
    columns = _columns(path, header)
    numbers = dict(zip(columns, read_columns(path, header, list(columns.values())).T, strict=True))
    rows, counts, names, notes = _by_particle(path, numbers.pop("particle"))
    units = {axis: columns[axis].unit for axis in "xyz" if axis in columns}
    xyz = np.stack([numbers[axis][rows] * reading.nm_per(unit, path) for axis, unit in units.items()], axis=1)
    photons, precision = (None if n not in numbers else numbers[n][rows] for n in ("photons", "precision"))
    if precision is not None:
        precision *= reading.nm_per(columns["precision"].unit or columns["x"].unit, path)
    return localisations_from_rows(
        xyz,
        counts,
        names,
        source=SOURCE,
        notes=[*notes, *reading.notes(units["x"])],
        photons=photons,
        precision=precision,
    )


def _columns(path: Path, header: Header) -> dict[str, Column]:
    """The columns that are there, by what they hold."""
    if header.find("x") is None or header.find("y") is None:
        raise HollyError(f"{path}: needs the columns x [nm] and y [nm]; found {header.found}")
    if header.find(*PARTICLE) is None:
        raise HollyError(
            f"{path}: has no particle column; one named {', '.join(PARTICLE[:-1])} or {PARTICLE[-1]} "
            f"must number the structure of each localisation; found {header.found}"
        )
    names = {"x": ("x",), "y": ("y",), "z": ("z",), "particle": PARTICLE}
    names |= {"photons": ("intensity",), "precision": PRECISION}
    found = {holds: header.find(*known) for holds, known in names.items()}
    return {holds: column for holds, column in found.items() if column is not None and _is_wanted(holds, column)}


def _is_wanted(holds: str, column: Column) -> bool:
    """Camera counts are an intensity too, but no photons."""
    return holds != "photons" or (column.unit or "photon").lower().startswith("photon")


def _by_particle(path: Path, ids: Array) -> tuple[Array, Array, list[str], list[str]]:
    """Rows in the order of their particle, rows of each particle, their names, and notes."""
    if np.any(np.abs(ids[np.isfinite(ids)]) > LARGEST_ID):
        raise HollyError(f"{path}: holds particle ids above 2^53, which can't be told apart; number them from 0")
    rows = np.argsort(ids, kind="stable")
    usable = np.isfinite(ids[rows]) & (ids[rows] >= 0)
    dropped = len(rows) - int(usable.sum())
    rows = rows[usable]
    values, counts = np.unique(ids[rows], return_counts=True)
    note = f"{dropped} of {len(ids)} localisations belong to no particle (id below 0 or empty) and were dropped."
    return rows, counts, [f"{value:.17g}" for value in values], [note] if dropped else []
