"""Room for data that are larger than a computer's memory: a file without a name, mapped, that goes when its user does."""

import os
import tempfile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from holly_triton.core.errors import HollyError

IN_MEMORY = 2**30
"""Bytes of the largest array that is held in memory: most data are far smaller, and a laptop has room for a few of these."""


def on_disk(nbytes: int) -> bool:
    """Whether an array of so many bytes is mapped, and not in memory."""
    return nbytes > IN_MEMORY


def notes(nbytes: int) -> list[str]:
    """What to say about an array of so many bytes."""
    if not on_disk(nbytes):
        return []
    return [f"The localisations take {nbytes / 2**30:.1f} GiB, so they lie on the disk, in {tempfile.gettempdir()}."]


def allocate(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Room for an array, its content undefined.

    Raises:
        HollyError: It belongs on the disk, and that is full.
    """
    nbytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if not on_disk(nbytes):
        return np.empty(shape, dtype)
    try:
        with tempfile.TemporaryFile() as file:
            _reserve(file.fileno(), nbytes)
            return np.memmap(file, dtype, "r+", shape=shape)
    except OSError as error:
        raise HollyError(
            f"{tempfile.gettempdir()}: has no room for {nbytes / 2**30:.1f} GiB of localisations ({error.strerror}); "
            "free some, or set TMPDIR to a folder with more"
        ) from error


def _reserve(file: int, nbytes: int) -> None:
    """Take the room now: where the disk is full, writing to a mapped page would end the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, nbytes)
    else:
        os.truncate(file, nbytes)
