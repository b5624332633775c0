"""Movies in TIFF: plain, BigTIFF, ImageJ (also beyond 4 GB), OME-TIFF over several files, and folders of files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign, natural_order
from holly_triton.core.progress import in_parts
from holly_triton.core.types import Array
from holly_triton.io.images.stacks import truncated
from holly_triton.io.images.tiff import complaints, stated_size

from .axes import frames_among
from .movie import Movie, joined, movie_of
from .ome import Planes, read_planes
from .tiff_pages import Pages, pages_of

SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")


def read_tiff(path: Path, channel: int | None = None, *, alone: bool = False) -> Movie:
    """Read a TIFF of any kind.

    Args:
        path: The file; of several that hold one OME data set, any that names the others.
        channel: Number of the channel to read, from 1, where there are several.
        alone: Whether the other files of an OME data set are left out.

    Raises:
        HollyError: See ``tiff_pages.pages_of`` and ``axes.frames_among``; or a file of an OME data set is missing.
    """
    with foreign(path, "TIFF"), complaints() as said, tifffile.TiffFile(path) as tiff:
        planes = read_planes(path, tiff.ome_metadata) if tiff.ome_metadata else None
        sizes, declared = _sizes(tiff)
        pages = pages_of(path, tiff, declared)
        stated = stated_size(path, tiff)
        kind = "BigTIFF" if tiff.is_bigtiff else "TIFF"
    if planes is not None:
        return _of_planes(path, pages, planes, channel, stated, alone=alone)
    count = int(np.prod([*sizes.values()], dtype=object))
    if len(pages) < count:
        raise truncated(path, f"its header declares {count} frames, and it holds {len(pages)}")
    if len(pages) > count:
        sizes = {"T": len(pages)}
    order, notes = frames_among(path, sizes, channel)
    return _movie(pages, order, kind, stated, [*notes, *said])


def tiffs_of(folder: Path) -> list[Path]:
    """The TIFFs of a folder, in natural order.

    Raises:
        HollyError: There is none.
    """
    with foreign(folder, "a folder"):
        held = [file for file in folder.iterdir() if not file.name.startswith(".")]
    files = [file for file in held if file.is_file() and file.suffix.lower() in SUFFIXES]
    if not files:
        lacking = "holds no TIFF" if held else "is an empty folder"
        raise HollyError(f"{folder}: {lacking}; give a folder of TIFFs, or one file that holds a movie")
    return sorted(files, key=natural_order)


def read_folder(folder: Path, channel: int | None = None) -> Movie:
    """Read the TIFFs of a folder one behind the other, in natural order: single frames, or the parts of a movie.

    Raises:
        HollyError: There is no TIFF, one can't be read, or they differ in size or in the type of pixels.
    """
    files, parts = tiffs_of(folder), []
    with in_parts(len(files)) as begin:
        for file in files:
            begin(file.name)
            parts.append(read_tiff(file, channel, alone=True))
    return joined(folder, f"folder of {len(files)} TIFF files", parts)


def _sizes(tiff: tifffile.TiffFile) -> tuple[dict[str, int], int]:
    """Lengths of the axes that ImageJ's metadata state, the fastest first; and the frames that any metadata declare."""
    metadata, shaped = tiff.imagej_metadata, tiff.shaped_metadata or ()
    if metadata:
        count = max(1, int(metadata.get("images", 1)))
        names = {"C": "channels", "Z": "slices", "T": "frames"}
        sizes = {axis: int(metadata.get(name, 1)) for axis, name in names.items()}
        return sizes if np.prod([*sizes.values()], dtype=object) == count else {"T": count}, count
    if shaped and shaped[0].get("truncated"):
        count = int(np.prod(shaped[0]["shape"][:-2], dtype=object))
        return {"T": count}, count
    return {"T": 1}, 1


def _of_planes(
    path: Path, pages: Pages, planes: Planes, channel: int | None, stated: tuple[float, str] | None, *, alone: bool
) -> Movie:
    """The frames of an OME data set, in the order that its metadata give, from all files that these name."""
    names = planes.files
    if path.name not in names and len(names) == 1:
        names = [path.name]  # the file was renamed
    order, notes = frames_among(path, planes.sizes, channel)
    file, page = planes.file[order], planes.page[order]
    if (file < 0).any():
        raise truncated(path, f"its OME metadata declare {len(order)} frames and name {(file >= 0).sum()}")
    if alone:
        own = file == (names.index(path.name) if path.name in names else -1)
        file, page = file[own], page[own]
    if not len(file):  # the metadata are those of other files
        return _movie(pages, np.arange(len(pages)), "OME-TIFF", stated, notes)
    parts = []
    for run in np.split(np.arange(len(file)), np.flatnonzero(np.diff(file)) + 1):
        name = names[file[run[0]]]
        theirs = pages if name == path.name else _pages_beside(path, path.with_name(name))
        if (last := int(page[run].max())) >= len(theirs):
            raise truncated(theirs.path, f"the OME metadata name its page {last + 1}, and it holds {len(theirs)}")
        parts.append(_movie(theirs, page[run], "OME-TIFF", stated, notes))
    used = len({*file.tolist()})
    return joined(path, "OME-TIFF movie" if used == 1 else f"OME-TIFF movie of {used} files", parts)


def _pages_beside(path: Path, other: Path) -> Pages:
    if not other.is_file():
        raise HollyError(
            f"{path}: is one part of an OME data set, and its part {other.name} is not beside it; copy it too"
        )
    with foreign(other, "TIFF"), complaints(), tifffile.TiffFile(other) as tiff:
        return pages_of(other, tiff, 1)


def _movie(pages: Pages, order: Array, kind: str, stated: tuple[float, str] | None, notes: Sequence[str] = ()) -> Movie:
    shape = len(order), *pages.shape
    return movie_of(pages.path, f"{kind} movie", shape, pages.dtype, pages.reader(order), stated=stated, notes=notes)
