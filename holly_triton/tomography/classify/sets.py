"""A set of subtomograms: boxes of one size and voxel, read in chunks, with the class of each where it is known."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.core.words import counted
from holly_triton.tomography.config.classification import CHUNK

UNLABELLED = ""
"""Class of a subtomogram whose class is not known."""


SQUARED = 1e-12, 1e12
"""Values whose squares float32 holds exactly enough; others are divided by the largest of their box before they are squared."""


@dataclass(frozen=True)
class SubtomogramSet:
    """Subtomograms, which stay in their files until they are asked for.

    Attributes:
        source: the file or folder.
        names: name of each subtomogram ``[N]``, no two alike.
        labels: class of each ``[N]``, ``UNLABELLED`` where it is not known; None where none is.
        size: voxels along a side.
        voxel: side of a voxel, Å.
        load: values ``[k, n, n, n]`` float32 of rows ``[k]``, which rise.
        rotations: active rotations ``[N, 3, 3]`` from the reference into the box; None where they are not known.
        positions: where the particle's centre lies from the box's centre ``[N, 3]``, Å; None where it is not known.
    """

    source: Path
    names: Array
    labels: Array | None
    size: int
    voxel: float
    load: Callable[[Array], Array]
    rotations: Array | None = None
    positions: Array | None = None

    def __post_init__(self) -> None:
        if len(self.names) == 0:
            raise HollyError(f"{self.source}: holds no subtomogram; give a set with at least one")
        names, counts = np.unique(self.names, return_counts=True)
        if counts.max() > 1:
            twice = names[counts.argmax()]
            raise HollyError(f"{self.source}: names {twice} {counts.max()} times; keep one of them")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def classes(self) -> list[str]:
        """The classes that occur, sorted."""
        return [] if self.labels is None else [str(name) for name in np.unique(self.labels) if name != UNLABELLED]

    def read(self, rows: Array) -> Tensor:
        """Values ``[k, n, n, n]`` float32 of rows ``[k]`` in any order, each as often as it is named.

        Raises:
            HollyError: A file can't be read.
        """
        wanted, place = np.unique(np.asarray(rows, dtype=np.int64), return_inverse=True)
        return torch.from_numpy(np.ascontiguousarray(self.load(wanted)[place], dtype=np.float32))

    def chunks(self, start: int = 0, count: int = CHUNK) -> Iterator[tuple[int, Tensor]]:
        """Subtomograms from a row on, some at a time, each chunk with its first row."""
        for first in range(start, len(self), count):
            yield first, self.read(np.arange(first, min(first + count, len(self))))


def usable(volumes: Tensor) -> Tensor:
    """Which of the volumes ``[B, n, n, n]`` hold something: every value is finite, and not all are the same; ``[B]``."""
    flat = volumes.flatten(1)
    return flat.isfinite().all(1) & (flat.amax(1) > flat.amin(1))


def fingerprint(volume: Tensor) -> bytes:
    """Sixteen bytes that only copies of a volume share."""
    return hashlib.blake2b(volume.numpy().tobytes(), digest_size=16).digest()


def standardised(volumes: Tensor) -> Tensor:
    """Each of the volumes ``[B, n, n, n]`` with mean 0 and standard deviation 1; where it is not ``usable``, 0."""
    good = usable(volumes)[:, None, None, None]
    values = torch.where(good, volumes, 0.0)
    largest = values.abs().amax(dim=(1, 2, 3), keepdim=True)
    least, most = SQUARED
    values = values / torch.where(good & ((largest < least) | (largest > most)), largest, 1.0)
    centred = values - values.mean(dim=(1, 2, 3), keepdim=True)
    deviation = centred.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return torch.where(good, centred / deviation.clamp(min=torch.finfo(torch.float32).tiny), 0.0)


def say_unusable(source: Path, names: Array, good: Array) -> str | None:
    """A sentence about the subtomograms that are left out, where there are any."""
    bad = np.flatnonzero(~good)
    if len(bad) == 0:
        return None
    what = counted(len(bad), "subtomogram is empty or has", "subtomograms are empty or have")
    return f"{source}: {what} values that are not finite, and no class; the first is {names[bad[0]]}"
