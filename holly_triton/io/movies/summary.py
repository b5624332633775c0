"""What ``info`` shows of a movie, and which files it takes for one: pictures of particles are stacks of TIFF too."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError

from .movie import Movie
from .opening import ONE_CHANNEL, READERS, open_movie

CAMERA_PIXEL_NM = 50.0
"""Least side of a camera pixel in the sample, nm; a picture of a particle with such pixels shows nothing of its structure."""
LOOKED_AT = 20
"""Frames, spread over the movie, of which the figures are."""


def movie_summary(path: Path, pixel_nm: float | None = None, channel: int | None = None) -> dict[str, str] | None:
    """Rows of the ``info`` screen of a movie; None for what is none.

    A TIFF, a folder of TIFFs or a NumPy array is one if its pixels are those of a camera, as it or the user states.

    Args:
        path: A file or folder.
        pixel_nm: Side of a pixel, nm, as the user states it.
        channel: As for ``open_movie``.

    Raises:
        HollyError: A file that can only be a movie can't be read.
    """
    suffix = path.suffix.lower()
    if path.is_file() and (suffix in (".dax", ".nd2") or (suffix == ".raw" and path.with_suffix(".yaml").is_file())):
        return _rows(open_movie(path, channel), pixel_nm)
    if not (path.is_dir() or suffix in (*READERS, *ONE_CHANNEL)) or (
        pixel_nm is not None and pixel_nm < CAMERA_PIXEL_NM
    ):
        return None
    try:
        movie = open_movie(path, channel)
    except HollyError:
        return None
    of_camera = (pixel_nm or movie.pixel_nm or 0.0) >= CAMERA_PIXEL_NM
    return _rows(movie, pixel_nm) if of_camera else None


def _rows(movie: Movie, pixel_nm: float | None) -> dict[str, str]:
    frames, height, width = movie.shape
    if pixel_nm is not None:
        movie = replace(movie, stated=(pixel_nm, "option --pixel-size"))
    indices = np.unique(np.linspace(0, frames - 1, LOOKED_AT).astype(int)).tolist()
    some = np.stack([movie.frame(index) for index in indices])
    rows = {
        "format": f"{movie.source} of {movie.dtype} pixels",
        "frames": str(frames),
        "frame": f"{width} x {height} px",
    }
    if movie.stated is None:
        rows["pixel size"] = "not stated"
        usable = "with the size of a pixel: --pixel-size NM"
    else:
        side, place = movie.stated
        rows["frame"] += f", {width * side / 1000:.4g} x {height * side / 1000:.4g} µm"
        rows["pixel size"] = f"{side:.4g} nm ({place})"
        usable = f"yes, with a model or a PSF of {side:.4g} nm pixels"
    rows["background"] = f"{np.median(some):.6g} ADU, the median"
    rows["brightest pixel"] = f"{some.max():.6g} ADU, of {len(indices)} frames"
    rows["can be localised"] = usable
    if movie.notes:
        rows["notes"] = " ".join(movie.notes)
    return rows
