"""Movies of Nikon's microscopes, ``.nd2``, by the package nd2, which the extra ``nikon`` brings."""

from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.optional import require
from holly_triton.core.types import Array
from holly_triton.io.images.stacks import square_pixel

from .axes import frames_among
from .movie import Movie, movie_of

NM_PER_UM = 1000.0
UNCALIBRATED_UM = 1.0
"""The pixel size of files that state none."""


def read_nd2(path: Path, channel: int | None = None) -> Movie:
    """Read an ND2 file of one position and one plane in depth.

    Raises:
        HollyError: The package is missing, the file is damaged, in colour, holds several positions, or see
            ``axes.frames_among``.
    """
    package = require("nd2", f"{path}: ND2")
    with foreign(path, "ND2"), package.ND2File(path) as file:
        sizes, count, dtype = dict(file.sizes), int(file.attributes.sequenceCount), file.dtype
        sides = _sides_um(file)
        height, width = int(file.attributes.heightPx), int(file.attributes.widthPx)
    if "S" in sizes:
        raise HollyError(f"{path}: is in colour; save one channel of it as grey values")
    if sizes.get("P", 1) > 1:
        raise HollyError(f"{path}: holds {sizes['P']} positions; save one of them (in NIS-Elements: Split Multipoints)")
    channels, slices = sizes.get("C", 1), sizes.get("Z", 1)
    order, notes = frames_among(path, {"C": channels, "Z": slices, "T": max(1, count // slices)}, channel)

    def read(first: int, stop: int) -> Array:
        block = np.empty((stop - first, height, width), dtype)
        with foreign(path, "ND2"), package.ND2File(path) as file:
            for target, plane in zip(block, order[first:stop].tolist(), strict=True):
                frame = np.asarray(file.read_frame(plane // channels))
                target[:] = frame.reshape(channels, height, width)[plane % channels]
        return block

    stated = None
    if sides is None:
        notes.append("The size of a pixel can't be read from its metadata.")
    elif sides != [UNCALIBRATED_UM] * 2:
        stated = square_pixel(path, [NM_PER_UM * side for side in sides], "ND2 metadata")
    return movie_of(path, "ND2 movie", (len(order), height, width), np.dtype(dtype), read, stated=stated, notes=notes)


def _sides_um(file: Any) -> list[float] | None:
    """Sides of a pixel along x and y, um; None where the package fails to find them."""
    try:
        size = file.voxel_size()
    # It reads the metadata of dyes and filters on the way, which come in many forms; frames need none of them.
    except Exception:
        return None
    return [float(size.x), float(size.y)]
