"""NumPy arrays of pictures: ``[n, H, W]`` in a ``.npy`` file."""

from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.io.tables.reading import Reading

from .stacks import ImageStack, Stack, as_float32, check_size, read_stacks

SMALLEST_SIDE = 8
"""Least side in pixels: an array of fewer columns holds coordinates ``[P, n, 2 or 3]``, or pictures too small for a
structure."""


def holds_pictures(path: Path) -> bool:
    """Whether a file is a NumPy array ``[n, H, W]`` of numbers large enough to be pictures; False if it is damaged."""
    if path.suffix.lower() != ".npy" or not path.is_file():
        return False
    try:
        with foreign(path, "NumPy"):
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except HollyError:
        return False
    return array.ndim == 3 and array.dtype.kind in "uifb" and min(array.shape[1:]) >= SMALLEST_SIDE


def read_npy_stack(path: Path, reading: Reading) -> ImageStack:
    """Read an array ``[n, H, W]``, or a folder of them; each plane is one particle.

    Such files state no pixel size, so ``--pixel-size`` must give it.

    Raises:
        HollyError: The file has another shape, is damaged or too large, or there is no pixel size.
    """
    return read_stacks(path, reading, "NumPy", _read_stack)


def _read_stack(path: Path) -> Stack:
    with foreign(path, "NumPy"):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not holds_pictures(path):
            raise HollyError(f"{path}: needs pictures [n, H, W] of numbers; found {array.dtype} {[*array.shape]}")
        check_size(path, 4 * array.size)
        return Stack(as_float32(array))
