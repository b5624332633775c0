"""What the file of a volume holds, before its voxel size is checked; and the bytes of such a file, packed or not."""

import gzip
import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.io.tables.budget import LARGEST_RATIO

MAPPED_BYTES = 256 * 2**20
"""Float32 values of a file are mapped and not read if they take more bytes than this."""


@dataclass(frozen=True)
class RawVolume:
    """The values of a file, with what it states about them.

    Attributes:
        values: ``[Z, Y, X]`` float32; a change is never written to the file.
        sides: sides of a voxel along x, y, z, Å, as stated, whatever they are; None if the format states none.
        kind: format and type of the values, in words.
        stored: type of the values in the file.
        remarks: what was assumed or left out, one sentence each.
        skew: angles between the sides, degrees, where they are not right.
    """

    values: Array
    sides: tuple[float, float, float] | None
    kind: str
    stored: np.dtype[Any]
    remarks: list[str] = field(default_factory=list)
    skew: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Source:
    """The bytes of a file, which gzip may have packed."""

    path: Path

    @cached_property
    def packed(self) -> bool:
        """Whether gzip has packed it, by its first bytes."""
        with self.path.open("rb") as file:
            return file.read(2) == b"\x1f\x8b"

    @property
    def most(self) -> int:
        """The largest number of bytes that it can hold."""
        return self.path.stat().st_size * (LARGEST_RATIO if self.packed else 1)

    def head(self, count: int) -> bytes:
        """Its first bytes, or fewer where it has fewer."""
        with gzip.open(self.path) if self.packed else self.path.open("rb") as file:
            return bytes(file.read(count))

    def values(self, dtype: np.dtype[Any], start: int, shape: tuple[int, ...], remarks: list[str]) -> Array:
        """Values from a byte on, as float32; mapped where they are large and need no conversion.

        Raises:
            HollyError: The file ends before the last of them.
        """
        needed = start + math.prod(shape) * dtype.itemsize
        if needed > self.most:
            raise self._too_short(shape, needed, self.path.stat().st_size)
        if self.packed:
            with gzip.open(self.path) as file:
                whole = file.read(needed)
                ended = not file.read(1)
            if len(whole) < needed:
                raise self._too_short(shape, needed, len(whole))
            read = np.frombuffer(whole, dtype, offset=start).reshape(shape)
        else:
            ended = needed == self.most
            if dtype == np.float32 and needed > MAPPED_BYTES:
                read = np.asarray(np.memmap(self.path, dtype, "c", start, shape))
            else:
                read = np.fromfile(self.path, dtype, math.prod(shape), offset=start).reshape(shape)
        if not ended:
            remarks.append("Bytes after the voxels were ignored.")
        return as_float32(read)

    def _too_short(self, shape: tuple[int, ...], needed: int, found: int) -> HollyError:
        depth, rows, columns = shape
        return HollyError(
            f"{self.path}: is truncated: its header promises {columns} x {rows} x {depth} voxels, which end at byte "
            f"{needed}, and the file has {found}; copy or export it again"
        )


def as_float32(values: Array) -> Array:
    """Values as float32, writable; values beyond its range become infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32, copy=not values.flags.writeable)
