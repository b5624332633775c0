"""Volumes in EM, the format of the TOM toolbox, PyTom, AV3 and Dynamo: a header of 512 bytes, then the values."""

import math
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign

from .raw import RawVolume, Source

HEADER = np.dtype(
    [
        ("machine", "u1"), ("unused", "u1", 2), ("type", "u1"), ("nx", "<i4"), ("ny", "<i4"), ("nz", "<i4"),
        ("comment", "S80"), ("parameters", "<i4", 40), ("more", "V256"),
    ]
)  # fmt: skip
TYPES = {1: "i1", 2: "i2", 4: "i4", 5: "f4", 9: "f8"}
"""NumPy's name of each type's values; 8 stands for complex numbers."""
BIG_ENDIAN = (0, 3, 5)
"""Machines of the first byte: OS-9, SGI, Mac. A PC is 6."""
PC = 6
PIXEL = 6
"""Which of the parameters is the size of a voxel, in thousandths of a nm."""
UNIT_ANGSTROM = 0.01


def read_em(source: Source) -> RawVolume:
    """The volume in an EM file, of either byte order.

    Raises:
        HollyError: The file is truncated, its header is invalid, or values are complex or of an unknown type.
    """
    path = source.path
    with foreign(path, "EM"):
        head = source.head(HEADER.itemsize)
        if len(head) < HEADER.itemsize:
            raise HollyError(
                f"{path}: is truncated (an EM header has {HEADER.itemsize} bytes, the file {len(head)}); copy it again"
            )
        remarks: list[str] = []
        kind = head[3]
        if kind not in TYPES:
            what = "complex numbers; save real numbers" if kind == 8 else f"values of type {kind}; save it as float32"
            raise HollyError(f"{path}: has {what}")
        fields, order = _fields(head, source.most, np.dtype(TYPES[kind]).itemsize)
        shape = (int(fields["nz"]), int(fields["ny"]), int(fields["nx"]))
        if min(shape) < 1:
            raise HollyError(f"{path}: its header is invalid ({shape[2]} x {shape[1]} x {shape[0]} voxels); export it again")  # fmt: skip
        dtype = np.dtype(f"{order}{TYPES[kind]}")
        values = source.values(dtype, HEADER.itemsize, shape, remarks)
        side = UNIT_ANGSTROM * int(fields["parameters"][PIXEL])
        if side:
            remarks.append(f"The voxel size of the header, {side / 10:g} nm, is in thousandths of a nm in this format.")
        return RawVolume(values, (side, side, side), f"EM, type {kind} ({dtype.name})", dtype, remarks)


def _fields(head: bytes, most: int, itemsize: int) -> tuple[Any, str]:
    """The header in its byte order: that of the machine it names, unless only the other fits the file."""
    little = np.frombuffer(head, HEADER)[0]
    both = {"<": little, ">": np.frombuffer(head, HEADER.newbyteorder(">"))[0]}

    def fits(order: str) -> bool:
        sizes = [int(both[order][name]) for name in ("nx", "ny", "nz")]
        return min(sizes) > 0 and HEADER.itemsize + math.prod(sizes) * itemsize <= most

    named, other = (">", "<") if head[0] in BIG_ENDIAN else ("<", ">")
    order = other if fits(other) and not fits(named) else named
    return both[order], order
