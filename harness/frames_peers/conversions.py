"""The conventions of each program, converted to ours: nm from the outer corner of the first pixel, frames from 1."""

from collections.abc import Mapping

import numpy as np

from holly_triton.core.types import Array
from holly_triton.frames.localisations import localisations

Columns = Mapping[str, Array]
"""A program's own table: arrays ``[L]`` by the name of the column."""


def from_smappy(columns: Columns, pixel_nm: float) -> Array:
    """SMAPpy: nm from the centre of the first pixel, z of the opposite sign, frames from 0."""
    table = localisations(len(columns["x_nm"]))
    table["frame"] = columns["frame"] + 1
    for axis in "xy":
        table[axis] = columns[f"{axis}_nm"] + pixel_nm / 2
        table[f"sigma_{axis}"] = columns[f"{axis}_err_nm"]
    table["z"], table["sigma_z"] = -columns["z_nm"], columns["z_err_nm"]
    table["photons"], table["background"] = columns["photons"], columns["background"]
    return table


def from_picasso(columns: Columns, pixel_nm: float) -> Array:
    """Picasso: x and y in pixels from the centre of the first, z in nm, frames from 0.

    It takes the first plane of a bead stack as the highest, so that z has the opposite sign for stacks that begin at the lowest.
    """
    table = localisations(len(columns["x"]))
    table["frame"] = columns["frame"] + 1
    for axis in "xy":
        table[axis] = (columns[axis] + 0.5) * pixel_nm
        table[f"sigma_{axis}"] = columns[f"lp{axis}"] * pixel_nm
    table["z"] = -columns["z"]
    if "lpz" in columns:
        table["sigma_z"] = columns["lpz"]
    table["photons"], table["background"] = columns["photons"], columns["bg"]
    return table


def from_ours(columns: Columns, pixel_nm: float) -> Array:
    """Our own tables need no conversion."""
    del pixel_nm
    table = localisations(len(columns["x"]))
    for name in table.dtype.names or ():
        table[name] = columns[name]
    return table


def moved(table: Array, offset: Array) -> Array:
    """A table whose positions are moved by minus a constant offset ``[3]``, nm."""
    table = table.copy()
    for axis, distance in zip("xyz", np.asarray(offset), strict=True):
        table[axis] -= distance
    return table
