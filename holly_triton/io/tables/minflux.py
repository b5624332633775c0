"""MINFLUX localisations as Imspector exports them: as NumPy, MATLAB or JSON files, of versions before and from 24.10.

A localisation takes several iterations, each with a finer pattern of the beam, and only the last one is the result. Before
version 24.10 a row is a localisation, whose ``itr`` holds the iterations; since then a row is an iteration, ``itr`` is its
number, and ``fnl`` marks the last. ``loc`` is the position in metres, ``vld`` whether the localisation is valid, ``tid`` the
number of the trace: the localisations of one molecule, from one of its bursts (github.com/jkfindeisen/minflux-analysis;
pyminflux.ethz.ch). Evaluations keep the same names, often with positions in nm.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from holly_triton.core.types import Array
from holly_triton.core.words import part_of

from .columns import Table, table_of

SOURCE = "MINFLUX"
LOC, TRACE = ("loc", "pos"), ("tid", "id")
MEASURED = ("efo", "efc", "eco", "ecc", "cfr", "dcr", "fbg")
"""Counts and frequencies that no other method has."""
WIDEST_M = 0.01
"""Positions within a smaller range are in metres: as nm they would be smaller than an atom."""


def minflux_table(tree: Mapping[str, Any]) -> Table | None:
    """Localisations of MINFLUX, from arrays by their names; None if the arrays are of something else.

    Args:
        tree: ``tid [n]`` or ``id``, ``loc [n, 3]`` or ``pos``, and others of the length n; or ``tid [n]`` and a mapping or
            structured array ``itr`` with ``loc [n, k, 3]`` and others ``[n, k]`` of k iterations.
    """
    names = _names(tree)
    inner = tree.get("itr")
    nested = isinstance(inner, Mapping) or (isinstance(inner, np.ndarray) and inner.dtype.names is not None)
    within = _names(inner) if nested else ()
    loc = next((name for name in LOC if name in (within if nested else names)), None)
    trace = next((name for name in TRACE if name in names), None)
    if loc is None or trace is None or not {*MEASURED} & {*names, *within}:
        return None
    rows = np.size(tree[trace])
    columns = {name: _vector(tree[name], rows) for name in names}
    if nested:
        last, iterations = _last_of_each(inner, within, rows)
        columns |= last
        xyz = columns.pop(loc, None)
    else:
        xyz, iterations = _matrix(tree[loc], rows), 1
    if xyz is None or xyz.ndim != 2 or xyz.shape[1] not in (2, 3):
        return None
    known = {name: column for name, column in columns.items() if column is not None and column.ndim == 1}
    kept, notes = _kept(known, iterations)
    return _table(xyz[kept], {name: column[kept] for name, column in known.items() if name != "vld"}, trace, notes)


def _names(tree: Any) -> tuple[str, ...]:
    return tuple(tree.dtype.names or ()) if isinstance(tree, np.ndarray) else tuple(tree)


def _vector(value: Any, rows: int) -> Array | None:
    """A column ``[rows]`` of numbers, in either orientation; None for anything else."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub" or value.size != rows:
        return None
    return value.reshape(-1)


def _matrix(value: Any, rows: int) -> Array | None:
    """Positions ``[rows, 2 or 3]``, in either orientation."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu" or value.ndim != 2 or rows not in value.shape:
        return None
    return value if value.shape[0] == rows else value.T


def _last_of_each(inner: Any, names: tuple[str, ...], rows: int) -> tuple[dict[str, Array | None], int]:
    """Values of the last iteration of each localisation, and the number of iterations."""
    last: dict[str, Array | None] = {}
    iterations = 1
    for name in names:
        values = inner[name]
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub" or values.shape[:1] != (rows,):
            continue
        last[name] = values if values.ndim == 1 or name in LOC and values.ndim == 2 else values[:, -1]
        iterations = values.shape[1] if values.ndim > 1 and name not in LOC else iterations
    return last, iterations


def _kept(columns: Mapping[str, Array], iterations: int) -> tuple[Array, list[str]]:
    """Which rows ``[n]`` are results, and notes about the others."""
    rows = len(next(iter(columns.values())))
    valid = columns["vld"] != 0 if "vld" in columns else np.ones(rows, bool)
    notes = [f"Each position is that of the last of {iterations} iterations."] if iterations > 1 else []
    last = np.ones(rows, bool)
    if iterations == 1 and "itr" in columns and valid.any():
        number = columns["itr"]
        last = number == number[valid].max()
        if "fnl" in columns and (valid & last & (columns["fnl"] != 0)).any():
            last &= columns["fnl"] != 0
        if not last.all():
            notes.append(
                part_of(rows - int(last.sum()), rows, "row", "{are} before the last iteration and {were} left out.")
            )
    if lost := int((last & ~valid).sum()):
        notes.append(
            part_of(lost, int(last.sum()), "localisation", "{are} marked as not valid (vld) and {were} left out.")
        )
    return valid & last, notes


def _table(xyz: Array, columns: Mapping[str, Array], trace: str, notes: list[str]) -> Table:
    finite = xyz[np.isfinite(xyz).all(axis=1)]
    metres = not len(finite) or float(np.ptp(finite, axis=0).max()) < WIDEST_M
    unit = "m" if metres else "nm"
    if len(columns.get(trace, ())):
        traces = len(np.unique(columns[trace]))
        notes = [
            *notes,
            f"{trace} numbers {traces} traces, each of one molecule, not particles: find those with holly-triton pick, "
            f"or take each trace as a particle with --columns particle={trace}.",
        ]
    positions = {f"{axis} [{unit}]": column for axis, column in zip("xyz", xyz.T, strict=False)}
    return table_of(SOURCE, positions | dict(columns), rows=len(xyz), notes=notes)
