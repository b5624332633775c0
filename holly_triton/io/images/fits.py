"""FITS: pictures, stacks of them, and folders like HOLLy's ``--fitspath``."""

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.optional import require
from holly_triton.core.types import Array
from holly_triton.io.tables.reading import Reading

from .stacks import ImageStack, Stack, as_float32, check_packed, check_size, read_stacks, truncated


def read_fits(path: Path, reading: Reading) -> ImageStack:
    """Read a FITS file, a folder of them, or a folder of folders named by sigma, of which the finest is read.

    A 2D image is one particle, as is each plane of a stack, in every image extension; tables are skipped.
    FITS has no header card for the pixel size in nm, so ``--pixel-size`` must give it.

    Raises:
        HollyError: There is no image or no pixel size, sizes differ, or the file is truncated or too large.
    """
    return read_stacks(path, reading, "FITS", _read_stack)


def _read_stack(path: Path) -> Stack:
    fits = require("astropy.io.fits", f"{path}: FITS")
    # astropy warns of damage that the checks here report in one line.
    with foreign(path, "FITS"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(path, memmap=False) as extensions:
            found = [type(extension).__name__ for extension in extensions]
            images = [extension for extension in extensions if extension.is_image and extension.size]
            parts = [_pictures(path, image) for image in images if len(image.shape) > 1]
    if not parts:
        raise HollyError(f"{path}: holds no picture, only {', '.join(found)}; export an image of 2 or 3 axes")
    if len({part.shape[1:] for part in parts}) > 1:
        sizes = ", ".join(f"{part.shape[2]} x {part.shape[1]} px" for part in parts[:4])
        raise HollyError(f"{path}: holds pictures of several sizes ({sizes}); all must have one size")
    return Stack(parts[0] if len(parts) == 1 else np.concatenate(parts))


def _pictures(path: Path, image: Any) -> Array:
    """Pictures ``[n, H, W]`` float32 of one extension, after its header is verified."""
    start, size = image.fileinfo()["datLoc"], path.stat().st_size
    # A compressed image is in a table shorter than its pixels; the span of an uncompressed one is padded.
    end = start + min(image.size, image.fileinfo()["datSpan"])
    if end > size:
        raise truncated(path, f"its pixels end at byte {end}, the file at {size}")
    pixels, bytes_each = math.prod(image.shape), abs(image.header["BITPIX"]) // 8
    check_size(path, pixels * max(4, bytes_each))
    check_packed(path, pixels * bytes_each)
    return as_float32(image.data).reshape(-1, *image.shape[-2:])
