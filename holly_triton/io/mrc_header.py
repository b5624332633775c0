"""The header of MRC files (Cheng et al. 2015), which pictures and volumes share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.optional import require

TYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
"""NumPy's name of each mode's values."""
COMPLEX = {3: "complex int16", 4: "complex64"}
NAMES = TYPES | COMPLEX | {101: "4-bit integers"}
IMOD_STAMP, IMOD_SIGNED = 1146047817, 1
"""Of the files that IMOD writes, and the bit of its flags that says whether bytes are signed; MRC2014 has signed ones."""
IMOD_PLACE = 152
"""Byte at which stamp and flags begin."""


@dataclass(frozen=True)
class MrcHeader:
    """What an MRC header states.

    Attributes:
        fields: the record of the header, by the names of MRC2014.
        dtype: type of the values in their byte order.
        shape: sections, rows, columns.
        start: byte at which the values begin.
        remarks: irregularities, one sentence each.
    """

    fields: Any
    dtype: np.dtype[Any]
    shape: tuple[int, int, int]
    start: int
    remarks: list[str]

    @property
    def end(self) -> int:
        """Byte after the last value."""
        sections, rows, columns = self.shape
        return self.start + sections * rows * columns * self.dtype.itemsize

    @property
    def is_stack(self) -> bool:
        """Whether the sections are declared to be pictures: space group 0, one section per unit cell."""
        return self.shape[0] > 1 and self.fields.ispg == 0 and self.fields.mz != self.shape[0]


def header_size() -> int:
    """Bytes of the fixed part of a header."""
    return int(require("mrcfile", "reading MRC").dtypes.HEADER_DTYPE.itemsize)


def parse_mrc_header(path: Path, head: bytes) -> MrcHeader:
    """The header in the first bytes of a file; ``mrcfile.open`` would allocate the declared size.

    A missing map word or machine stamp is accepted: several programs write neither.

    Raises:
        HollyError: There are too few bytes, values are complex or of an unknown mode, or sizes are not possible.
    """
    header = require("mrcfile", "reading MRC").dtypes.HEADER_DTYPE
    if len(head) < header.itemsize:
        raise HollyError(
            f"{path}: is truncated (an MRC header has {header.itemsize} bytes, the file {len(head)}); "
            "copy or export it again"
        )
    head = head[: header.itemsize]
    remarks: list[str] = []
    fields: Any = np.frombuffer(head, header).reshape(()).view(np.recarray)
    if bytes(fields.map)[:3] != b"MAP":
        remarks.append("The header lacks the word MAP; it was read nevertheless.")
    order = _byte_order(fields, remarks)
    fields.dtype = fields.dtype.newbyteorder(order)
    if remarks and int(fields.mode) not in NAMES:
        raise HollyError(
            f"{path}: cannot be read as MRC; is it of that format? (the word MAP or a known machine stamp is missing, "
            f"and its mode would be {int(fields.mode)})"
        )
    columns, rows, sections = int(fields.nx), int(fields.ny), int(fields.nz)
    start = header.itemsize + int(fields.nsymbt)
    if min(columns, rows, sections) < 1 or start < header.itemsize:
        raise invalid(path, (sections, rows, columns))
    dtype = _type_of(path, int(fields.mode), head, order, remarks)
    return MrcHeader(fields, dtype, (sections, rows, columns), start, remarks)


def invalid(path: Path, shape: tuple[int, int, int]) -> HollyError:
    """The error for a header whose sizes are not possible."""
    sections, rows, columns = shape
    return HollyError(f"{path}: its header is invalid ({columns} x {rows} x {sections} px); export it again")


def _byte_order(fields: Any, remarks: list[str]) -> str:
    """``<`` or ``>``, as the machine stamp says, or as the mode shows where the stamp does not."""
    from mrcfile.utils import byte_order_from_machine_stamp

    try:
        return str(byte_order_from_machine_stamp(fields.machst))
    except ValueError:
        order = next((one for one in "<>" if int(fields.mode.view(f"{one}i4")) in NAMES), "<")
        word = "little" if order == "<" else "big"
        remarks.append(f"The header does not say its byte order; {word}-endian was assumed.")
        return order


def _type_of(path: Path, mode: int, head: bytes, order: str, remarks: list[str]) -> np.dtype[Any]:
    if mode in COMPLEX:
        raise HollyError(f"{path}: has {COMPLEX[mode]} pixels; save real numbers (the modulus, for instance)")
    if mode not in TYPES:
        known = ", ".join(map(str, TYPES))
        raise HollyError(
            f"{path}: is of mode {mode} ({NAMES.get(mode, 'unknown')}), and modes {known} are read; save it as mode 2"
        )
    if mode == 0:
        stamp, flags = np.frombuffer(head, f"{order}i4", 2, IMOD_PLACE)
        if stamp == IMOD_STAMP and not flags & IMOD_SIGNED:
            remarks.append("Bytes are unsigned, as IMOD's flags in the header say.")
            return np.dtype("u1")
    return np.dtype(f"{order}{TYPES[mode]}")
