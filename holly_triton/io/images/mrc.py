"""MRC stacks of pictures, the format of electron microscopy."""

from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.optional import require
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
    mrc = require("mrcfile.utils", f"{path}: MRC")
    remarks: list[str] = []
    with foreign(path, "MRC"):
        header = _header(path, remarks)
        columns, rows, sections = int(header.nx), int(header.ny), int(header.nz)
        dtype = mrc.data_dtype_from_header(header)
        start = header.nbytes + int(header.nsymbt)
        end, size = start + columns * rows * sections * dtype.itemsize, path.stat().st_size
        if min(columns, rows, sections) < 1 or start < header.nbytes or (remarks and end > size):
            raise HollyError(f"{path}: its header is invalid ({columns} x {rows} x {sections} px); export it again")
        if end > size:
            raise truncated(path, f"its pixels end at byte {end}, the file at {size}")
        if end < size:
            remarks.append(f"{size - end} bytes after the pixels were ignored.")
        if path.suffix.lower() != ".mrcs" and sections > 1 and (header.ispg != 0 or header.mz == sections):
            raise HollyError(
                f"{path}: is a 3D map of {columns} x {rows} x {sections} voxels; "
                "pictures are needed (if its sections are pictures, name it .mrcs)"
            )
        if dtype.kind == "c":
            raise HollyError(f"{path}: has {dtype.name} pixels; save real numbers (the modulus, for instance)")
        check_size(path, 4 * columns * rows * sections)
        pixels = np.memmap(path, dtype, "r", start, (sections, rows, columns))
        return Stack(as_float32(pixels), _stated_size(path, header), remarks=remarks)


def _header(path: Path, remarks: list[str]) -> Any:
    """The header, in its own byte order. ``mrcfile.open`` would allocate the declared size."""
    kind = require("mrcfile.dtypes", f"{path}: MRC").HEADER_DTYPE
    with path.open("rb") as file:
        head = file.read(kind.itemsize)
    if len(head) < kind.itemsize:
        raise truncated(path, f"an MRC header has {kind.itemsize} bytes, the file {len(head)}")
    header: Any = np.frombuffer(head, kind).reshape(()).view(np.recarray)
    if bytes(header.map)[:3] != b"MAP":
        remarks.append("The header lacks the word MAP; it was read nevertheless.")
    try:
        order = require("mrcfile.utils", f"{path}: MRC").byte_order_from_machine_stamp(header.machst)
    except ValueError:
        order = "<"
        remarks.append("The header does not say its byte order; little-endian was assumed.")
    header.dtype = header.dtype.newbyteorder(order)
    return header


def _stated_size(path: Path, header: Any) -> tuple[float, str] | None:
    """The pixel size that the header states, nm, and the place where it does; None if it states none."""
    sizes = [float(header.cella[axis]) / max(1, int(header[f"m{axis}"])) for axis in "xy"]
    if np.allclose(sizes, UNSET_ANGSTROM):
        return None
    return square_pixel(path, [size * NM_PER_ANGSTROM for size in sizes], "MRC header")
