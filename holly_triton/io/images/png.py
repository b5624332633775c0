"""PNG and other common image formats in grey values, one particle per picture."""

from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.types import Array
from holly_triton.io.tables.reading import Reading

from .stacks import ImageStack, Stack, as_float32, check_packed, check_size, read_stacks


def read_png(path: Path, reading: Reading) -> ImageStack:
    """Read a folder of PNG, BMP or JPEG files, or one file of several frames; each picture is one particle.

    Colour files are read where all channels are equal, as some programs write grey values; transparency is ignored. Such
    files state no pixel size in nm, so ``--pixel-size`` must give it.

    Raises:
        HollyError: Pictures are in colour, differ in size, are damaged or too large, or there is no pixel size.
    """
    return read_stacks(path, reading, "PNG", _read_stack)


def _read_stack(path: Path) -> Stack:
    from PIL import Image

    with foreign(path, "a picture"), Image.open(path) as image:
        frames = getattr(image, "n_frames", 1)
        nbytes = image.width * image.height * frames * 4
        check_size(path, nbytes)
        check_packed(path, nbytes)
        pixels = []
        for frame in range(frames):
            image.seek(frame)
            pixels.append(_grey(path, image))
    remarks = (
        ["JPEG compression changes pixel values; PNG and TIFF do not."] if path.suffix.lower()[:3] == ".jp" else []
    )
    return Stack(np.stack(pixels), notes=remarks)


def _grey(path: Path, image: Any) -> Array:
    """One frame ``[H, W]`` float32."""
    if image.mode in ("P", "PA", "RGBA", "LA", "CMYK", "YCbCr", "HSV", "LAB"):
        image = image.convert("L" if image.mode == "LA" else "RGB")
    pixels = np.asarray(image)
    if pixels.ndim == 3:
        if not (pixels == pixels[..., :1]).all():
            raise HollyError(f"{path}: is a colour picture; save one channel as grey values")
        pixels = pixels[..., 0]
    return as_float32(pixels)
