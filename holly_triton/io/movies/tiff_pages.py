"""The pages of one TIFF, found without the objects that a library makes for each: a movie has up to a million of them.

What is read of each page is its size, the type of its pixels and where they lie (TIFF 6.0, sections 2 and 8; BigTIFF).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.types import Array
from holly_triton.io.images.stacks import check_packed, truncated
from holly_triton.io.images.tiff import complaints, decoded, page_offsets

from .movie import Reader, check_end, flat_reader

KIND, WIDTH, HEIGHT, BITS, COMPRESSION, SAMPLES, FORMAT = 254, 256, 257, 258, 259, 277, 339
"""Tags: kind of page, size in pixels, bits a sample, compression, samples a pixel, format of a sample."""
STARTS, SIZES = (273, 324), (279, 325)
"""Tags of the first byte and of the number of bytes of each strip, and of each tile."""
SAME = (WIDTH, HEIGHT, BITS, COMPRESSION, SAMPLES, FORMAT)
"""Tags that must be equal on all pages of a movie."""
NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
"""Codes of ``struct`` for the types of whole numbers that TIFF has."""
WANTED = frozenset((KIND, *SAME, *STARTS, *SIZES))
MOST_PARTS = 2**20
"""Largest number of strips or tiles of a page, as many as a frame of the largest size has rows, and more."""
REDUCED = 1
"""Bit of the kind of page: a smaller copy of another one."""
UNPACKED = 1
"""Value of the tag for compression: none."""
COLOURS = (2, 3, 5, 6, 8)
"""Values of the tag for the meaning of pixels: RGB, palette, CMYK, YCbCr and CIE L*a*b*."""


class Page(NamedTuple):
    """What is kept of a page."""

    begin: int
    """Byte at which its description begins."""
    layout: tuple[int, ...]
    """Values of the tags ``SAME``."""
    data: int
    """Byte at which its pixels begin, if its strips lie one behind the other; else -1."""
    end: int
    """Byte at which they end, as its tags say; 0 if they do not."""


@dataclass(frozen=True, eq=False)
class Pages:
    """The pages of one TIFF, which are alike.

    Attributes:
        path: The file.
        shape: Rows and columns.
        dtype: Type of a pixel in the file.
        begins: Where the description of each page begins ``[n]``, bytes.
        data: Where its pixels begin ``[n]``, bytes; None if they are compressed, packed or not in one piece.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    begins: Array
    data: Array | None

    def __len__(self) -> int:
        return len(self.begins if self.data is None else self.data)

    def reader(self, order: Array) -> Reader:
        """Reader of the pages whose numbers are given ``[F]``, as frames in this order."""
        if self.data is not None:
            return flat_reader(self.path, self.dtype, self.data[order], self.shape)
        begins = self.begins[order]

        def read(first: int, stop: int) -> Array:
            block = np.empty((stop - first, *self.shape), self.dtype.newbyteorder("="))
            with foreign(self.path, "TIFF"), complaints(), tifffile.TiffFile(self.path) as tiff:
                for target, begin in zip(block, begins[first:stop].tolist(), strict=True):
                    tiff.filehandle.seek(begin)
                    target[:] = decoded(self.path, tifffile.TiffPage(tiff, 0)).reshape(self.shape)
            return block

        return read


def pages_of(path: Path, tiff: tifffile.TiffFile, declared: int) -> Pages:
    """The pages of an open TIFF; smaller copies of others are left out.

    Args:
        path: The file.
        tiff: The same, open.
        declared: Frames that the metadata declare behind a single page: programs write those beyond 4 GB without pages.

    Raises:
        HollyError: Pages are in colour, differ in size or type, are cut off or circular, or declare more pixels than the
            file can hold.
    """
    first = tiff.pages.first
    if first.samplesperpixel != 1 or first.photometric in COLOURS:
        raise HollyError(f"{path}: is in colour; save the movie as grey values, one channel of it")
    if first.dtype is None:
        raise HollyError(f"{path}: has pixels of {first.bitspersample} bits, which are not read; save it with 16")
    pages = list(_pages(path, tiff))
    for number, page in enumerate(pages):
        if page.layout != pages[0].layout:
            found, wanted = (f"{one.layout[0]} x {one.layout[1]} px, {one.layout[2]} bits" for one in (page, pages[0]))
            raise HollyError(f"{path}: its frame {number + 1} is {found} but the first is {wanted}; all must be alike")
    shape, dtype = (first.imagelength, first.imagewidth), first.dtype.newbyteorder(tiff.byteorder)
    nbytes = dtype.itemsize * shape[0] * shape[1]
    plain = first.compression == UNPACKED and 8 * dtype.itemsize == first.bitspersample and first.fillorder == 1
    begins = np.array([page.begin for page in pages], np.int64)
    data = np.array([page.data for page in pages], np.int64)
    if plain and (data >= 0).all():
        if len(pages) == 1 < declared:
            _check_declared(path, int(data[0]), nbytes, declared)
            data = data[0] + nbytes * np.arange(declared, dtype=np.int64)
        check_end(path, data + nbytes)
        return Pages(path, shape, dtype, begins, data)
    check_end(path, np.array([page.end for page in pages], np.int64))
    check_packed(path, len(pages) * nbytes)
    return Pages(path, shape, dtype, begins, None)


def _check_declared(path: Path, start: int, nbytes: int, declared: int) -> None:
    whole = (path.stat().st_size - start) // max(1, nbytes)
    if whole < declared:
        raise truncated(path, f"{whole} of {declared} frames are whole")


def _pages(path: Path, tiff: tifffile.TiffFile) -> Iterator[Page]:
    """Every page that is not a smaller copy of another."""
    for begin in page_offsets(path, tiff):
        tags = _tags(path, tiff, begin)
        if tags.get(KIND, (0,))[0] & REDUCED and begin != tiff.pages.first.offset:
            continue
        starts = next((tags[tag] for tag in STARTS if tag in tags), ())
        sizes = next((tags[tag] for tag in SIZES if tag in tags), ())
        ends = [start + size for start, size in zip(starts, sizes, strict=False)]
        whole = bool(starts) and STARTS[0] in tags and all(a == b for a, b in zip(ends[:-1], starts[1:], strict=True))
        layout = tuple(tags.get(tag, (1,))[0] for tag in SAME)
        yield Page(begin, layout, starts[0] if whole else -1, max(ends, default=0))


def _tags(path: Path, tiff: tifffile.TiffFile, begin: int) -> dict[int, tuple[int, ...]]:
    """The values of the wanted tags of the page that begins at a byte."""
    layout, file, order = tiff.tiff, tiff.filehandle, str(tiff.byteorder)
    place = "Q" if layout.tagoffsetthreshold == 8 else "I"
    file.seek(begin)
    (count,) = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))
    entries = file.read(count * layout.tagsize)
    tags: dict[int, tuple[int, ...]] = {}
    for tag, kind, values, content in struct.iter_unpack(f"{order}HH{place}{layout.tagoffsetthreshold}s", entries):
        if tag not in WANTED or kind not in NUMBERS or not values:
            continue
        if values > MOST_PARTS:
            raise HollyError(f"{path}: a page of it declares {values} strips; it is damaged; export it again")
        code = f"{order}{values}{NUMBERS[kind]}"
        nbytes = struct.calcsize(code)
        if nbytes > layout.tagoffsetthreshold:
            file.seek(struct.unpack(order + place, content)[0])
            content = file.read(nbytes)
        tags[tag] = struct.unpack(code, content[:nbytes])
    return tags
