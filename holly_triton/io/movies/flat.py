"""Movies without a container: the pixels one after the other, and a text beside them that says how.

``.dax`` with ``.inf`` (Zhuang laboratory: HAL, Insight3, storm-analysis); Picasso's ``.raw`` with ``.yaml``; and ``.npy``,
which holds its own header.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.io.images.stacks import truncated
from holly_triton.io.tables.picasso import stated_in_yaml

from .movie import Movie, flat_reader, movie_of

DIMENSIONS = re.compile(r"^frame dimensions\s*=\s*(\d{1,6})\s*x\s*(\d{1,6})", re.MULTILINE)
FRAMES = re.compile(r"^number of frames\s*=\s*(\d{1,12})", re.MULTILINE)
RAW_KEYS = ("Data Type", "Frames", "Height", "Width")


def read_dax(path: Path) -> Movie:
    """Read a ``.dax``: 16 bits a pixel, row by row; ``frame dimensions = width x height`` in the ``.inf`` beside it.

    Where the number of frames in the ``.inf`` is not that of the data (it is written before the end of a measurement), the
    data count.

    Raises:
        HollyError: There is no ``.inf``, it states no size, or the data are no whole number of frames.
    """
    text = _beside(path, ".inf")
    size = DIMENSIONS.search(text)
    if size is None:
        raise HollyError(f"{path.with_suffix('.inf')}: does not say 'frame dimensions = WIDTH x HEIGHT'; copy it again")
    width, height = int(size[1]), int(size[2])
    dtype = np.dtype("<u2" if "little endian" in text else ">u2")
    nbytes, total = max(1, 2 * width * height), path.stat().st_size
    frames, rest = divmod(total, nbytes)
    if rest or not frames:
        raise truncated(
            path, f"{total} bytes are no whole number of frames of {width} x {height} px, {nbytes} bytes each"
        )
    stated = FRAMES.search(text)
    notes = [] if stated is None or int(stated[1]) == frames else [
        f"The .inf declares {stated[1]} frames; the data hold {frames}, which were read."
    ]  # fmt: skip
    return _flat(path, "dax movie", dtype, (frames, height, width), notes=notes)


def read_raw(path: Path) -> Movie:
    """Read Picasso's ``.raw``; the YAML beside it states the type of a pixel, the size, and the size of a pixel in nm.

    Raises:
        HollyError: There is no YAML, it lacks one of these, or the file is truncated.
    """
    header, pixel_nm = stated_in_yaml(path.with_suffix(".yaml"))
    missing = [key for key in RAW_KEYS if key not in header]
    if missing:
        raise HollyError(
            f"{path}: Picasso's {path.with_suffix('.yaml').name} beside it does not state {', '.join(missing)}; "
            "copy both files, or save the movie as TIFF"
        )
    with foreign(path.with_suffix(".yaml"), "Picasso's YAML"):
        dtype = np.dtype(str(header["Data Type"])).newbyteorder(">" if header.get("Byte Order") == ">" else "<")
        shape = int(header["Frames"]), int(header["Height"]), int(header["Width"])
    stated = None if pixel_nm is None else (pixel_nm, f"YAML ({path.with_suffix('.yaml').name})")
    return _flat(path, "Picasso raw movie", dtype, shape, stated=stated)


def read_npy(path: Path) -> Movie:
    """Read an array ``[frames, H, W]``, or one frame ``[H, W]``.

    Raises:
        HollyError: The array has another shape or order, or is truncated.
    """
    with foreign(path, "NumPy"):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    shape = (1, *array.shape) if array.ndim == 2 else array.shape
    if len(shape) != 3 or min(shape[1:]) < 8:
        raise HollyError(f"{path}: needs frames [n, H, W] of at least 8 x 8 px; found {array.dtype} {[*array.shape]}")
    if not array.flags.c_contiguous:
        raise HollyError(f"{path}: is in Fortran order; save numpy.ascontiguousarray of it, frames first")
    return _flat(path, "NumPy array", array.dtype, shape, start=array.offset)


def _flat(
    path: Path, source: str, dtype: np.dtype[Any], shape: tuple[int, ...], *, start: int = 0, **said: Any
) -> Movie:
    """Frames that fill a file from byte ``start`` on."""
    frames, height, width = shape
    nbytes, size = dtype.itemsize * height * width, path.stat().st_size
    if nbytes > 0 and start + frames * nbytes > size:
        whole = max(0, size - start) // nbytes
        raise truncated(path, f"{whole} of {frames} frames of {width} x {height} px are whole")
    starts = start + nbytes * np.arange(frames if nbytes > 0 else 0, dtype=np.int64)
    return movie_of(path, source, shape, dtype, flat_reader(path, dtype, starts, (height, width)), **said)


def _beside(path: Path, suffix: str) -> str:
    """Text of the file of another suffix beside one."""
    beside = path.with_suffix(suffix)
    if not beside.is_file():
        raise HollyError(f"{path}: needs {beside.name} beside it, which states the size of a frame; copy both files")
    with foreign(beside, "text"):
        return beside.read_text(encoding="utf-8", errors="replace")
