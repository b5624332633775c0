"""Opening of a movie of any known format; a new format is a reader, and one row in ``READERS``."""

from collections.abc import Callable
from pathlib import Path

from holly_triton.core.errors import HollyError
from holly_triton.core.files import missing
from holly_triton.io.tables.kinds import advice
from holly_triton.io.tables.table import READERS as TABLES
from holly_triton.io.tables.table import suffix_of

from .flat import read_dax, read_npy, read_raw
from .movie import Movie
from .nd2 import read_nd2
from .tiff import SUFFIXES, read_folder, read_tiff

ONE_CHANNEL: dict[str, Callable[[Path], Movie]] = {".dax": read_dax, ".raw": read_raw, ".npy": read_npy}
"""Readers by suffix, lower case, of formats that know no channels."""
READERS: dict[str, Callable[[Path, int | None], Movie]] = {**dict.fromkeys(SUFFIXES, read_tiff), ".nd2": read_nd2}
"""Readers of those that do."""
KNOWN = ", ".join(["a folder of TIFFs", *READERS, *ONE_CHANNEL])
SAVE = "save it as TIFF (in Fiji: File, Save As, Tiff)"


def open_movie(path: str | Path, channel: int | None = None) -> Movie:
    """Open a movie of camera frames. Its frames stay in the file until they are asked for.

    Args:
        path: TIFF, BigTIFF, OME-TIFF (of several files the first), ImageJ's stacks, a folder of TIFFs in natural order,
            ``.dax`` with ``.inf``, Picasso's ``.raw`` with ``.yaml``, a NumPy array ``[frames, H, W]``, or ND2 with the extra
            ``nikon``.
        channel: Number of the channel to read, from 1, where there are several.

    Raises:
        HollyError: There is nothing at the path, it is no movie, it is damaged, or it has colours, several channels without
            a choice among them, frames of several sizes, or pixels that are not real numbers.
    """
    path = Path(path)
    if not path.exists():
        raise missing(path, f"a movie: {KNOWN}")
    if path.is_dir():
        return read_folder(path, channel)
    suffix = path.suffix.lower()
    if suffix in READERS:
        return READERS[suffix](path, channel)
    if suffix not in ONE_CHANNEL:
        raise HollyError(f"{path}: {_no_movie(path)}")
    movie = ONE_CHANNEL[suffix](path)
    if channel not in (None, 1):
        raise HollyError(f"--channel {channel}: {path} has 1, numbered from 1")
    return movie


def _no_movie(path: Path) -> str:
    """What is wrong with a file of another format."""
    if suffix_of(path) in TABLES:
        return f"holds a table, as of localisations, not a movie of camera frames; give the movie: {KNOWN}"
    if path.suffix.lower() in (".czi", ".lif"):
        return f"is in a microscope's own format, which is not read; {SAVE}"
    return advice(path) or f"is no movie of a known format; {SAVE}; known are {KNOWN}"
