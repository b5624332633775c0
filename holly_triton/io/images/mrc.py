"""MRC stacks of pictures, the format of electron microscopy."""

from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.io.mrc_header import header_size, invalid, parse_mrc_header
from holly_triton.io.tables.reading import Reading

from .stacks import ImageStack, Stack, as_float32, check_size, read_stacks, square_pixel, truncated

NM_PER_ANGSTROM = 0.1
UNSET_ANGSTROM = 1.0
"""The pixel size that programs write by default."""


def read_mrc(path: Path, reading: Reading) -> ImageStack:
    """Read an MRC stack, or a folder of stacks or single pictures; each section is one particle.

    A file ``.mrcs`` is a stack. Any other file is one if its header says so according to MRC2014 (space group 0, one
    section per unit cell); else it is a 3D map, which holds no pictures.

    Raises:
        HollyError: The file is a map, has complex pixels, an invalid header or no pixel size, or is truncated or too large.
    """
    return read_stacks(path, reading, "MRC", _read_stack)


def _read_stack(path: Path) -> Stack:
    with foreign(path, "MRC"):
        with path.open("rb") as file:
            header = parse_mrc_header(path, file.read(header_size()))
        size, remarks = path.stat().st_size, [*header.remarks]
        sections, rows, columns = header.shape
        if remarks and header.end > size:
            raise invalid(path, header.shape)
        if header.end > size:
            raise truncated(path, f"its pixels end at byte {header.end}, the file at {size}")
        if header.end < size:
            remarks.append(f"{size - header.end} bytes after the pixels were ignored.")
        if path.suffix.lower() != ".mrcs" and sections > 1 and not header.is_stack:
            raise HollyError(
                f"{path}: is a 3D map of {columns} x {rows} x {sections} voxels; "
                "pictures are needed (if its sections are pictures, name it .mrcs)"
            )
        check_size(path, 4 * columns * rows * sections)
        pixels = np.memmap(path, header.dtype, "r", header.start, header.shape)
        return Stack(as_float32(pixels), _stated_size(path, header.fields), remarks=remarks)


def _stated_size(path: Path, header: Any) -> tuple[float, str] | None:
    """The pixel size that the header states, nm, and the place where it does; None if it states none."""
    sizes = [float(header.cella[axis]) / max(1, int(header[f"m{axis}"])) for axis in "xy"]
    if np.allclose(sizes, UNSET_ANGSTROM):
        return None
    return square_pixel(path, [size * NM_PER_ANGSTROM for size in sizes], "MRC header")
