"""Frames of 16 bits, written one by one to a TIFF."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

from holly_triton.core.types import Array

LARGEST_ADU = 65535
CLASSIC_TIFF = 2**32 - 2**25
"""Bytes up to which offsets of 32 bits suffice."""


def write_tiff(path: Path, frames: Iterator[Array], shape: tuple[int, int, int], pixel_nm: float) -> None:
    """Write frames ``[H, W]`` uint16 one by one; the pixel size is kept as the file's resolution."""
    per_cm = 1e7 / pixel_nm
    size = 2 * math.prod(shape) + 512 * shape[0]
    with tifffile.TiffWriter(path, bigtiff=size > CLASSIC_TIFF) as tiff:
        tiff.write(
            frames, shape=shape, dtype=np.uint16, photometric="minisblack", resolution=(per_cm, per_cm),
            resolutionunit="CENTIMETER", metadata={"axes": "TYX"},
        )  # fmt: skip
