"""Tables of files that hold many arrays: the columns, and the size of a camera pixel that is stored beside them."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from holly_triton.io.text_table import Column
from holly_triton.io.units import PIXEL, pixel_size_nm

from . import names
from .columns import Table, column_for, positions_in, stated_unit
from .containers import Leaf, fields_in, table_from
from .reading import Reading

PIXEL_SIZE = (
    "pixelsize", "xypixelsize", "pixelsizexy", "pxsize", "pixsize", "campixelsize", "camerapixelsize", "pixelwidth",
    "pixelsizex", "nmperpixel", "umperpixel",
)  # fmt: skip
SMITE = ("xse", "yse", "framenum")
"""Columns that occur together only in structs of smite (LidkeLab/smite, doc/DataStructures/SMD.md): x and y in pixels, z in um."""
FEWEST_PIXELS = 10
"""Least width of a field of view, pixels. In a narrower one, positions in pixels were read as nm."""


def table_of_leaves(source: str, leaves: Sequence[Leaf], reading: Reading, **attributes: Any) -> Table | None:
    """The columns that ``containers.table_from`` chooses among those of arrays; None if there are no columns."""
    found = table_from(source, fields_in(leaves), reading, **attributes)
    return found and _with_pixels(*found, leaves, reading)


def _with_pixels(table: Table, place: str, leaves: Sequence[Leaf], reading: Reading) -> Table:
    """The same table with the pixel size beside its columns, and with the unit that follows from it, if there is one.

    A number beside columns without a unit does not imply that they are in pixels. They are taken to be where the program
    is known to store pixels, and where a whole field would be narrower than ten pixels if they were in nm.
    """
    pixel_nm = next((size for leaf in leaves if (size := _pixel_nm(leaf, place))), None)
    axes = positions_in(table.columns)
    if pixel_nm is None or not axes or reading.unit is not None or any(stated_unit(axes[axis]) for axis in "xy"):
        return table if pixel_nm is None else replace(table, pixel_nm=pixel_nm)
    keys = {names.parse_name(column.name)[0] for column in table.columns}
    smite = {*SMITE} <= keys
    if not smite and (column_for(table.columns, names.PARTICLE) or not _narrow(table, axes["x"], axes["y"], pixel_nm)):
        note = f"The file states pixels of {pixel_nm:.6g} nm: give --unit px if its positions are in pixels."
        return replace(table, pixel_nm=pixel_nm, notes=[*table.notes, note])
    units = dict.fromkeys((axes["x"], axes["y"]), PIXEL)
    if smite:
        units |= {column: "um" for column in table.columns if names.letters(column.name) in ("z", "zse")}
    columns = tuple(replace(column, unit=units.get(column, column.unit)) for column in table.columns)
    why = "as smite writes them" if smite else "since the field would otherwise be narrower than ten of them"
    note = f"Positions were taken to be in pixels of {pixel_nm:.6g} nm, {why} (--unit overrides this)."
    return replace(table, columns=columns, pixel_nm=pixel_nm, notes=[*table.notes, note])


def _pixel_nm(leaf: Leaf, place: str) -> float | None:
    """Side of a pixel, if a number of that name, or one for each axis, is stored beside the columns or above them."""
    key, unit = names.parse_name(leaf.name)
    beside = leaf.place == place or not leaf.place or place.startswith(leaf.place + ".")
    if key not in PIXEL_SIZE or not beside or prod(leaf.shape) not in (1, 2) or leaf.dtype.kind not in "fiu":
        return None
    unit = {"nmperpixel": "nm", "umperpixel": "um"}.get(key, unit)
    whole = leaf.read(tuple(slice(None) for _ in leaf.shape))
    sizes = {pixel_size_nm(float(value), unit) for value in whole.ravel()}
    return sizes.pop() if len(sizes) == 1 else None


def _narrow(table: Table, x: Column, y: Column, pixel_nm: float) -> bool:
    """Whether all positions, taken as nm, lie within a few pixels."""
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for part in table.parts((x, y)):
        xy = np.stack(part, axis=1)
        xy = xy[np.isfinite(xy).all(axis=1)]
        if len(xy):
            low, high = np.minimum(low, xy.min(axis=0)), np.maximum(high, xy.max(axis=0))
    return bool((high - low < FEWEST_PIXELS * pixel_nm).all())
