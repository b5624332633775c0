"""Storage for data larger than the memory: a mapped file without a name, which is deleted with its last user."""

import os
import tempfile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from holly_triton.core.errors import HollyError

IN_MEMORY = 2**30
"""Size of the largest array in memory, bytes: most data are far smaller, and a laptop can hold a few arrays of this size."""


def on_disk(nbytes: int) -> bool:
    """Whether an array of ``nbytes`` bytes is mapped, and not in memory."""
    return nbytes > IN_MEMORY


def notes(nbytes: int) -> list[str]:
    """The note about an array of ``nbytes`` bytes, if it is mapped."""
    if not on_disk(nbytes):
        return []
    return [
        f"The localisations take {nbytes / 2**30:.1f} GiB, so they are kept on the disk, in {tempfile.gettempdir()}."
    ]


def allocate(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """An array with undefined content.

    Raises:
        HollyError: The array is to be mapped, and the disk is full.
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
    """Allocate the space at once: on a full disk, writing to a mapped page would end the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, nbytes)
    else:
        os.truncate(file, nbytes)
