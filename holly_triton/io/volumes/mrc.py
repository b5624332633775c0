"""Volumes in MRC: every mode of real numbers, with axes in any order."""

from typing import Any

import numpy as np

from holly_triton.core.files import foreign
from holly_triton.core.types import Array
from holly_triton.io.mrc_header import MrcHeader, header_size, parse_mrc_header

from .raw import RawVolume, Source

RIGHT_ANGLE_TOLERANCE = 0.1
"""Degrees by which an angle of the cell may differ from 90."""


def read_mrc(source: Source) -> RawVolume:
    """The volume in an MRC file. Where the header places it (``nstart``, ``origin``) is not used: voxel 0 is at 0.

    Raises:
        HollyError: The file is truncated, its header is invalid, or values are complex or of an unknown mode.
    """
    with foreign(source.path, "MRC"):
        header = parse_mrc_header(source.path, source.head(header_size()))
        remarks = [*header.remarks]
        values = source.values(header.dtype, header.start, header.shape, remarks)
        values, order = _with_axes_zyx(header, values, remarks)
        kind = f"MRC, mode {int(header.fields.mode)} ({header.dtype.name})"
        return RawVolume(values, _sides(header, order, remarks), kind, header.dtype, remarks, _skew(header))


def _with_axes_zyx(header: MrcHeader, values: Array, remarks: list[str]) -> tuple[Array, list[int]]:
    """The values as ``[Z, Y, X]``, and which axis of the file (0 sections, 1 rows, 2 columns) is z, y and x."""
    axes = [int(header.fields[name]) for name in ("maps", "mapr", "mapc")]
    if sorted(axes) != [1, 2, 3]:
        remarks.append(f"The header names axes {axes[2]}, {axes[1]}, {axes[0]}; columns, rows, sections were taken for x, y, z.")  # fmt: skip
        axes = [3, 2, 1]
    order = [axes.index(axis) for axis in (3, 2, 1)]
    if order == [0, 1, 2]:
        return values, order
    names = " ".join("xyz"[axis - 1] for axis in reversed(axes))
    remarks.append(f"Columns, rows and sections of the file are {names}; they were reordered.")
    return np.ascontiguousarray(values.transpose(order)), order


def _sides(header: MrcHeader, order: list[int], remarks: list[str]) -> tuple[float, float, float]:
    """Sides of a voxel along x, y, z in Å, as the header states them."""
    fields: Any = header.fields
    if header.is_stack:
        remarks.append("The header declares a stack of pictures; its sections were taken for z.")
    sides = {}
    for axis, place in zip("zyx", order, strict=True):
        intervals = int(fields[f"m{axis}"])
        if intervals < 1 or (axis == "z" and header.is_stack):
            intervals = header.shape[place]
        sides[axis] = float(fields.cella[axis]) / intervals
    if header.is_stack:
        sides["z"] = sides["x"]
    return sides["x"], sides["y"], sides["z"]


def _skew(header: MrcHeader) -> tuple[float, float, float] | None:
    """Angles of the cell, degrees, where they are stated and not right."""
    alpha, beta, gamma = (float(header.fields.cellb[name]) for name in ("alpha", "beta", "gamma"))
    angles = alpha, beta, gamma
    return angles if any(angle != 0 and not abs(angle - 90) <= RIGHT_ANGLE_TOLERANCE for angle in angles) else None
