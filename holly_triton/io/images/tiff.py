"""TIFF and OME-TIFF: a page is a picture of one particle, or a slice along z or a channel where the metadata name that axis."""

import html
import logging
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.types import Array
from holly_triton.core.words import counted
from holly_triton.io.tables.reading import Reading
from holly_triton.io.units import NM_PER_UNIT, unit_word

from .stacks import (
    LARGEST_PIXEL_NM,
    LARGEST_PRINTED_NM,
    ImageStack,
    Stack,
    as_float32,
    check_packed,
    check_size,
    read_stacks,
    square_pixel,
    truncated,
)

NM_PER_INCH = 25.4e6
NM_PER_RESOLUTION_UNIT = {2: NM_PER_INCH, 3: 1e7}
"""Length in nm by the value of TIFF's tag ResolutionUnit: inch and centimetre."""
NAMED_SIZE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)[ _]?nm[ _]per[ _](?:pxl|px|pixel)", re.IGNORECASE)
"""Pixel size in the title kept by ImageJ, where MATLAB scripts that simulate particles write it."""


def read_tiff(path: Path, reading: Reading) -> ImageStack:
    """Read a TIFF stack, or a folder of TIFFs in natural order.

    Slices along z (the metadata's axis Z; ImageJ's ``slices``) are summed to one picture of each particle, as for the
    paper's expansion microscopy; channels (the axis C) are kept. Pages along any other axis are one particle each. So are those of
    a single file with one axis of any name, since ImageJ calls every stack slices, and a single particle is not a data set.

    The pixel size comes from ``--pixel-size``, else from OME or ImageJ metadata or the file's resolution. Dots per inch of
    printers, which most programs set to a constant, are ignored: their pixels are larger than a microscope's.

    Raises:
        HollyError: Pixels are in colour or complex, pictures differ in size or channels, the file is truncated or too large, or
            there is no pixel size.
    """
    return read_stacks(path, reading, "TIFF", partial(_read_stack, single=path.is_file()))


def _read_stack(path: Path, *, single: bool) -> Stack:
    with foreign(path, "TIFF"), complaints() as said, tifffile.TiffFile(path) as tiff:
        page_offsets(path, tiff)
        _check_complete(path, tiff)
        plain = single and [len(series.axes) for series in tiff.series] == [3]
        for series in tiff.series:
            _check_grey(path, series)
        sizes = dict.fromkeys(series.shape[-2:] for series in tiff.series)
        if len(sizes) != 1:
            found = ", ".join(f"{width} x {height} px" for height, width in [*sizes][:4])
            raise HollyError(f"{path}: holds pictures of several sizes ({found}); all must have one size")
        check_size(path, sum(series.size * max(4, series.dtype.itemsize) for series in tiff.series))
        check_packed(path, sum(series.nbytes for series in tiff.series))
        _check_promise(path, tiff)
        notes: list[str] = []
        parts = [_particles(path, series, notes, plain=plain) for series in tiff.series]
        if len({part.shape[1:] for part in parts}) != 1:
            raise HollyError(f"{path}: holds pictures of different numbers of channels; all must have the same")
        images = parts[0] if len(parts) == 1 else np.concatenate(parts)
        channels = _channel_names(tiff, images.shape[1], notes) if images.ndim == 4 else ()
        return Stack(images, stated_size(path, tiff), channels, notes, said)


def _particles(path: Path, series: Any, notes: list[str], *, plain: bool) -> Array:
    """Pictures ``[n, H, W]`` float32 of one series, ``[n, C, H, W]`` of several channels; how z was read goes to ``notes``.

    ``plain`` treats every axis as particles.
    """
    pixels, axes = decoded(path, series), series.axes
    summed_along = None
    if "Z" in axes and plain:
        notes.append(
            "Each slice along z was taken as one particle, as the file has no other axis; z-stacks must be in one file each."
        )
    elif "C" in axes and plain:
        notes.append(
            "Each channel was taken as one particle, as the file has no other axis; particles with channels must be in one file each."
        )
    elif "Z" in axes:
        notes.append("The slices along z of each particle were summed: the metadata name that axis.")
        summed_along = axes.index("Z")
        axes = axes.replace("Z", "")
    images = as_float32(pixels, summed_along=summed_along)
    channels = 1 if plain or "C" not in axes else images.shape[axes.index("C")]
    if channels == 1:
        return images.reshape(-1, *series.shape[-2:])
    return np.ascontiguousarray(np.moveaxis(images, axes.index("C"), -3)).reshape(-1, channels, *series.shape[-2:])


def _channel_names(tiff: tifffile.TiffFile, channels: int, notes: list[str]) -> tuple[str, ...]:
    """Names of the channels that OME metadata state, else their numbers from 1; names that can't be used are noted."""
    stated = re.findall(r'<Channel\b[^<>]*?\bName="([^"<>]+)"', tiff.ome_metadata or "")[:channels]
    names = tuple(" ".join(html.unescape(name).split()) for name in stated)
    if len({*names} - {""}) == channels:
        return names
    if {*names} - {""}:
        notes.append(
            f"The file does not give each channel a name of its own ({', '.join(filter(None, names))}); they are numbered from 1."
        )
    return tuple(str(number) for number in range(1, channels + 1))


def decoded(path: Path, pixels: Any) -> Array:
    """The pixels of a series or a page.

    Raises:
        HollyError: The codec that they need is not installed.
    """
    try:
        return np.asarray(pixels.asarray())
    except (KeyError, ValueError) as error:
        if "imagecodecs" not in str(error):
            raise
        codec = pixels.keyframe.compression.name
        raise HollyError(f"{path}: is compressed ({codec}); pip install imagecodecs, or save it without") from error


@contextmanager
def complaints() -> Iterator[list[str]]:
    """The library's messages about damage that it tolerates, which are added to the notes and not printed."""
    said: list[str] = []
    logger, handler = logging.getLogger("tifffile"), logging.Handler(logging.ERROR)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


def page_offsets(path: Path, tiff: tifffile.TiffFile) -> list[int]:
    """Where each page begins, in bytes.

    Raises:
        HollyError: The chain of pages is cut off, or circular, which the library would follow without end.
    """
    layout, file, size = tiff.tiff, tiff.filehandle, path.stat().st_size
    offset, seen = tiff.pages.first.offset, dict[int, None]()
    while offset:
        if offset in seen:
            raise HollyError(f"{path}: its page {len(seen) - 1} leads back to an earlier one; export it again")
        if offset >= size:
            raise truncated(path, f"page {len(seen)} should be at byte {offset}, the file ends at {size}")
        seen[offset] = None
        file.seek(offset)
        (tags,) = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))
        file.seek(tags * layout.tagsize, 1)
        (offset,) = struct.unpack(layout.offsetformat, file.read(layout.offsetsize))
    return list(seen)


def _check_complete(path: Path, tiff: tifffile.TiffFile) -> None:
    """Refuse pixels beyond the end of the file: libraries read the remaining ones without an error."""
    size = path.stat().st_size
    for number, page in enumerate(tiff.pages):
        page = page.aspage()
        end = max((o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
        if page.compression == tifffile.COMPRESSION.NONE:
            end = max(end, page.nbytes)
        if end > size:
            raise truncated(path, f"page {number} ends at byte {end}, the file at {size}")


def _check_grey(path: Path, series: Any) -> None:
    page = series.keyframe
    if page.samplesperpixel != 1 or "S" in series.axes or page.photometric.name in ("RGB", "PALETTE"):
        raise HollyError(f"{path}: is a colour picture; save one channel as grey values")
    if series.dtype.kind not in "uifb":
        raise HollyError(f"{path}: has {series.dtype} pixels; save real numbers (the modulus, for instance)")
    if series.is_multifile:
        raise HollyError(f"{path}: is one part of an OME data set over several files; save that as one file")


def _check_promise(path: Path, tiff: tifffile.TiffFile) -> None:
    """Refuse an ImageJ stack with fewer pictures than its header counts."""
    promised = int((tiff.imagej_metadata or {}).get("images", 1))
    found = sum(int(np.prod(series.shape[:-2])) for series in tiff.series)
    if found < promised:
        raise truncated(path, f"its header declares {counted(promised, 'picture')}, and it holds {found}")


def nm_per_unit(name: str) -> float | None:
    """Length in nm of a unit as OME, ImageJ or users spell it; None if it is not known."""
    # ImageJ stores characters beyond ASCII as Java escapes, which tifffile does not decode.
    text = re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), name.strip().lower())
    return NM_PER_INCH if text in ("in", "inch", "inches") else NM_PER_UNIT.get(unit_word(text) or "")


def stated_size(path: Path, tiff: tifffile.TiffFile) -> tuple[float, str] | None:
    """The pixel size that the metadata state, nm, and the place where they do."""
    if tiff.ome_metadata:
        return _ome_size(path, tiff.ome_metadata)
    metadata = tiff.imagej_metadata or {}
    tags = tiff.pages.first.tags
    unit, source, largest = nm_per_unit(str(metadata.get("unit", ""))), "ImageJ metadata", LARGEST_PIXEL_NM
    if unit is None and "ResolutionUnit" in tags:
        unit = NM_PER_RESOLUTION_UNIT.get(int(tags["ResolutionUnit"].value))
        source, largest = "TIFF's resolution", LARGEST_PRINTED_NM
    if unit is not None and "XResolution" in tags and "YResolution" in tags:
        per_unit = [tags[tag].value for tag in ("XResolution", "YResolution")]  # (numerator, denominator)
        found = square_pixel(path, [unit * n[1] / n[0] if n[0] else 0.0 for n in per_unit], source, largest)
        if found is not None:
            return found
    named = NAMED_SIZE.search(str(metadata.get("Info", "")))
    return (float(named[1]), f"name kept in the ImageJ metadata ({named[0]})") if named else None


def _ome_size(path: Path, xml: str) -> tuple[float, str] | None:
    pixels = re.search(r"<Pixels\b[^<>]*>", xml)
    # An expression, not an XML parser: only one tag is needed, and entity expansion is impossible.
    attributes = dict(re.findall(r'\b(PhysicalSize\w+)="([^"]+)"', html.unescape(pixels[0]))) if pixels else {}
    if not {"PhysicalSizeX", "PhysicalSizeY"} <= attributes.keys():
        return None
    units = [nm_per_unit(attributes.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "XY"]
    sizes = [float(attributes[f"PhysicalSize{axis}"]) * (unit or 0) for axis, unit in zip("XY", units, strict=True)]
    return square_pixel(path, sizes, "OME metadata")
