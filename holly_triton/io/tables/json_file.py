"""Localisations in JSON: a list of records, as Imspector exports MINFLUX, or a mapping of columns."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.types import Array

from .beside import table_of_leaves
from .columns import Table
from .containers import leaves_in
from .minflux import minflux_table
from .reading import Reading

LARGEST = 2**28
"""Largest size of a file, bytes; its numbers take some twenty times as many while it is read."""
DEEPEST = 8
"""Largest depth of nested records."""


def read_json(path: Path, reading: Reading) -> Table:
    """The columns of a list of records, of a mapping of columns, or of such within mappings.

    Raises:
        HollyError: The file is damaged, too large, or of another form.
    """
    if path.stat().st_size > LARGEST:
        raise HollyError(f"{path}: has more than {LARGEST // 2**20} MiB of text; export it as .npy, .mat or CSV")
    with foreign(path, "JSON"):
        tree = _plain(json.loads(path.read_text(encoding="utf-8-sig")))
        if not isinstance(tree, Mapping):
            raise HollyError(f"{path}: needs a list of records, or a mapping of columns, such as x and y")
        table = minflux_table(tree) or table_of_leaves("JSON", [*leaves_in(tree)], reading)
    if table is None:
        found = ", ".join([*tree][:12]) or "nothing"
        raise HollyError(f"{path}: holds no columns of numbers (found {found}); export its localisations as CSV")
    return table


def _plain(value: Any, depth: int = 0) -> Any:
    """Arrays, and mappings of them: records with the same names become one mapping of columns."""
    if depth > DEEPEST:
        return None
    if isinstance(value, Mapping):
        return {str(name): _plain(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return _columns(value, depth)
    if isinstance(value, list | int | float):
        return _array(value)
    return None


def _columns(records: Sequence[Any], depth: int) -> dict[str, Any]:
    """A column for each name that all records have."""
    first = records[0]
    columns: dict[str, Any] = {}
    for name in first:
        cells = [record[name] for record in records if isinstance(record, Mapping) and name in record]
        if len(cells) < len(records):
            continue
        if isinstance(cells[0], list) and cells[0] and isinstance(cells[0][0], Mapping):  # iterations within a record
            lengths = {len(cell) if isinstance(cell, list) else -1 for cell in cells}
            if len(lengths) == 1 and depth < DEEPEST:
                flat = _columns([inner for cell in cells for inner in cell], depth + 1)
                columns[str(name)] = {
                    key: array.reshape(len(records), -1, *array.shape[1:])
                    for key, array in flat.items()
                    if isinstance(array, np.ndarray)
                }
        elif isinstance(cells[0], Mapping):
            columns[str(name)] = _columns(cells, depth + 1) if depth < DEEPEST else None
        else:
            columns[str(name)] = _array(cells)
    return columns


def _array(cells: Any) -> Array | None:
    """Numbers as an array, with NaN for an empty cell; text as text; anything else as None."""
    try:
        array = np.array(cells)
        if array.dtype.kind == "O":
            array = np.array(cells, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    return array if array.dtype.kind in "fiubU" else None
