"""Tables that pandas wrote to HDF5 (``DataFrame.to_hdf``), of the formats "fixed" and "table", without pandas.

A "fixed" frame is a group of blocks: ``block0_values [rows, columns]`` with its ``block0_items``. A "table" is one data set
whose fields ``values_block_0`` hold several columns each; their names stand in attributes, as pickled lists of texts. These
are not unpickled: the texts are read out of the first protocol, which is plain text.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array

from .budget import Budget
from .columns import Table, table_of
from .hdf5_check import check_layout, check_size

FRAMES = ("frame", "frame_table")
TEXT = re.compile(r"^[aV(]*V(.*)$", re.MULTILINE)
"""A text in a list, in the first protocol of pickle."""


def read_frames(path: Path, file: Any) -> Table | None:
    """The largest frame of a file; None if pandas wrote none."""
    import h5py

    groups = [item for item in (file[name] for name in file if _is_hard(file, name)) if isinstance(item, h5py.Group)]
    frames = [columns_of_frame(path, group) for group in groups if is_frame(group)]
    if not frames:
        return None
    columns = max(frames, key=lambda frame: len(next(iter(frame.values()), ())))
    if not columns:
        raise HollyError(f"{path}: its pandas tables hold no columns of numbers; save them as CSV")
    return table_of("pandas HDF5", columns, rows=len(next(iter(columns.values()))))


def is_frame(group: Any) -> bool:
    """Whether pandas wrote a group as a table."""
    return _text(group.attrs.get("pandas_type")) in FRAMES


def columns_of_frame(path: Path, group: Any) -> dict[str, Array]:
    """The columns of numbers of one frame, by their names.

    Raises:
        HollyError: The names can't be read, or the file is damaged or declares more than its bytes can hold.
    """
    budget = Budget.of_bytes(path)
    if _text(group.attrs["pandas_type"]) == "frame_table":
        return _columns_of_table(path, group["table"])
    columns: dict[str, Array] = {}
    for number in range(int(group.attrs.get("nblocks", 0))):
        items, values = group.get(f"block{number}_items"), group.get(f"block{number}_values")
        if items is None or values is None or values.ndim != 2 or values.dtype.kind not in "fiub":
            continue
        check_size(path, items)
        check_size(path, values)
        budget.spend(values.size * values.dtype.itemsize)
        names = [_text(name) for name in np.ravel(items[()])]
        block = values[()]
        if block.shape[1] != len(names):
            raise HollyError(
                f"{path}: {values.name} has {block.shape[1]} columns and {len(names)} names; is it damaged?"
            )
        columns |= dict(zip(names, block.T, strict=True))
    return columns


def _columns_of_table(path: Path, table: Any) -> dict[str, Array]:
    check_size(path, table)
    check_layout(path, table)
    rows = table[()]
    columns: dict[str, Array] = {}
    for field in rows.dtype.names:
        values = rows[field]
        if field == "index" or values.dtype.kind not in "fiub":
            continue
        names = TEXT.findall(_text(table.attrs.get(f"{field}_kind"))) if values.ndim == 2 else [field]
        if values.ndim == 2 and values.shape[1] != len(names):
            raise HollyError(f"{path}: the names of the columns in {field} can't be read; save the table as CSV")
        columns |= dict(zip(names, values.T if values.ndim == 2 else [values], strict=True))
    return columns


def _is_hard(file: Any, name: str) -> bool:
    import h5py

    return isinstance(file.get(name, getlink=True), h5py.HardLink)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
