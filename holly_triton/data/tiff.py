"""TIFF stacks and folders of TIFFs: every page is a picture of one particle."""

import html
import logging
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from holly_triton.errors import HollyError
from holly_triton.files import foreign, natural_order

from .pictures import Pictures, pictures_from_pixels
from .reading import Reading

Array = NDArray[Any]

SUFFIXES = (".tif", ".tiff")
LARGEST_BYTES = 4 * 2**30
"""Pixels in float32 that are read at most: 65 536 pictures of 128 x 128."""

NM_PER_TIFF_UNIT = {"nm": 1.0, "um": 1e3, "µm": 1e3, "μm": 1e3, "\\u00b5m": 1e3, "micron": 1e3, "mm": 1e6}
NAMED_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)[ _]?nm[ _]per[ _](?:pxl|px|pixel)", re.IGNORECASE)
"""MATLAB scripts that simulate particles write the pixel size into the title ImageJ keeps."""


@dataclass(frozen=True)
class Stack:
    """One file.

    Attributes:
        images: ``[n, H, W]`` float32.
        stated: The pixel size its metadata state, nm, and where.
        notes: What is odd about it.
    """

    images: Array
    stated: tuple[float, str] | None
    notes: list[str]


def read_tiff(path: Path, reading: Reading) -> Pictures:
    """Read a TIFF stack, or a folder of TIFFs in natural order.

    The pixel size comes from ``--pixel-size``, else from OME or ImageJ metadata. Printers' dots per inch,
    which most programs fill with a constant, do not count.

    Raises:
        HollyError: colour or complex pixels, several sizes, truncated, too large, or no pixel size.
    """
    files = [path] if path.is_file() else sorted(tiffs_in(path), key=natural_order)
    stacks: list[Stack] = []
    for file in files:
        stacks.append(_read_stack(file))
        first, last = stacks[0].images, stacks[-1].images
        if first.shape[1:] != last.shape[1:]:
            sizes = [f"{images.shape[2]} x {images.shape[1]} px" for images in (last, first)]
            raise HollyError(f"{file}: is {sizes[0]} but {files[0].name} is {sizes[1]}; all must have one size")
        _check_size(path, sum(stack.images.nbytes for stack in stacks))
    pixel_nm, notes = _pixel_size(files, [stack.stated for stack in stacks], reading)
    return pictures_from_pixels(
        first if len(stacks) == 1 else np.concatenate([stack.images for stack in stacks]),
        _names(files, stacks),
        pixel_nm,
        source="TIFF stack" if path.is_file() else f"folder of {len(files)} TIFFs",
        notes=[*notes, *(note for stack in stacks for note in stack.notes)],
    )


def tiffs_in(folder: Path) -> list[Path]:
    """The TIFFs of a folder, in no order."""
    return [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file()]


def _names(files: list[Path], stacks: list[Stack]) -> list[str]:
    """The page for one file, the file for a folder of single pictures, else both."""
    if len(files) == 1:
        return [str(page) for page in range(len(stacks[0].images))]
    return [
        file.stem if len(stack.images) == 1 else f"{file.stem}/{page}"
        for file, stack in zip(files, stacks, strict=True)
        for page in range(len(stack.images))
    ]


def _read_stack(path: Path) -> Stack:
    with foreign(path, "TIFF"), _complaints() as complaints, tifffile.TiffFile(path) as tiff:
        _check_complete(path, tiff)
        for series in tiff.series:
            _check_grey(path, series)
        sizes = dict.fromkeys(series.shape[-2:] for series in tiff.series)
        if len(sizes) != 1:
            found = ", ".join(f"{width} x {height} px" for height, width in [*sizes][:4])
            raise HollyError(f"{path}: holds pictures of several sizes ({found}); all must have one size")
        _check_size(path, 4 * sum(series.size for series in tiff.series))
        parts = [series.asarray().astype(np.float32).reshape(-1, *series.shape[-2:]) for series in tiff.series]
        images = parts[0] if len(parts) == 1 else np.concatenate(parts)
        promised = int((tiff.imagej_metadata or {}).get("images", 1))
        if len(images) < promised:
            raise _truncated(path, f"its header promises {promised} pictures, and {len(images)} are there")
        return Stack(images, _stated_size(path, tiff), [f"{path.name}: {complaint}" for complaint in complaints])


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What the library logs about damage it reads over; it goes into the notes, not onto the screen."""
    complaints: list[str] = []
    logger, handler = logging.getLogger("tifffile"), logging.Handler(logging.ERROR)
    handler.emit = lambda record: complaints.append(record.getMessage())  # type: ignore[method-assign]
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield complaints
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


def _check_complete(path: Path, tiff: tifffile.TiffFile) -> None:
    """Refuse pages or pixels that lie beyond the end of the file: libraries read what is left of them."""
    size = path.stat().st_size
    for number, page in enumerate(tiff.pages):
        page = page.aspage()
        end = max((o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
        if end > size:
            raise _truncated(path, f"page {number} ends at byte {end}, the file at {size}")
    layout, file = tiff.tiff, tiff.filehandle
    file.seek(tiff.pages[-1].offset)
    (tags,) = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))
    file.seek(tags * layout.tagsize, 1)
    (following,) = struct.unpack(layout.offsetformat, file.read(layout.offsetsize))
    if following:
        raise _truncated(path, f"page {len(tiff.pages)} should be at byte {following}, the file ends at {size}")


def _check_grey(path: Path, series: Any) -> None:
    page = series.keyframe
    if page.samplesperpixel != 1 or "S" in series.axes or page.photometric.name in ("RGB", "PALETTE"):
        raise HollyError(f"{path}: is a colour picture; save one channel as grey values")
    if series.dtype.kind not in "uifb":
        raise HollyError(f"{path}: has {series.dtype} pixels; save real numbers (the modulus, for instance)")
    if len(series.shape) < 2:
        raise HollyError(f"{path}: holds no pictures; pages of at least 2 x 2 px are needed")


def _check_size(path: Path, nbytes: int) -> None:
    if nbytes > LARGEST_BYTES:
        raise HollyError(
            f"{path}: unpacks to {nbytes / 2**30:.1f} GiB, above the limit of "
            f"{LARGEST_BYTES / 2**30:.0f} GiB; crop or bin the pictures, or give fewer"
        )


def _truncated(path: Path, reason: str) -> HollyError:
    return HollyError(f"{path}: is truncated ({reason}); copy or export it again")


def _pixel_size(files: list[Path], stated: list[tuple[float, str] | None], reading: Reading) -> tuple[float, list[str]]:
    """Side of a pixel in nm, and what to say about it."""
    notes = [] if reading.unit is None else ["Pictures have pixels, so --unit was not used."]
    known = [size for size in stated if size is not None]
    if reading.pixel_size_nm is not None:
        notes += [
            f"--pixel-size {reading.pixel_size_nm:g} nm was used, though the file says {size:.6g} nm."
            for size in sorted({size for size, _ in known})
            if not np.isclose(size, reading.pixel_size_nm, rtol=1e-3)
        ]
        return reading.pixel_size_nm, notes
    if len(known) < len(files):
        silent = files[stated.index(None)]
        raise HollyError(f"{silent}: does not say its pixel size; give it with --pixel-size NM")
    first, source = known[0]
    for file, (size, _) in zip(files, known, strict=True):
        if not np.isclose(size, first, rtol=1e-3):
            raise HollyError(
                f"{file}: has pixels of {size:.6g} nm but {files[0].name} of {first:.6g} nm; "
                "all must agree (--pixel-size NM overrides them)"
            )
    return first, [*notes, f"Pixel size {first:.6g} nm is from the {source}."]


def _stated_size(path: Path, tiff: tifffile.TiffFile) -> tuple[float, str] | None:
    """The pixel size the metadata state, nm, and where."""
    if tiff.ome_metadata:
        return _ome_size(path, tiff.ome_metadata)
    metadata = tiff.imagej_metadata or {}
    unit = NM_PER_TIFF_UNIT.get(str(metadata.get("unit", "")).lower())
    tags = tiff.pages.first.tags
    if unit is not None and "XResolution" in tags and "YResolution" in tags:
        per_unit = [tags[tag].value for tag in ("XResolution", "YResolution")]  # (numerator, denominator)
        return _square(path, [unit * n[1] / n[0] if n[0] else 0.0 for n in per_unit], "ImageJ metadata")
    named = NAMED_SIZE.search(str(metadata.get("Info", "")))
    return (float(named[1]), f"name kept in the ImageJ metadata ({named[0]})") if named else None


def _ome_size(path: Path, xml: str) -> tuple[float, str] | None:
    pixels = re.search(r"<Pixels\b[^>]*>", xml)
    # An expression, not an XML parser: one tag is all that is needed, and entities can't blow up.
    attributes = dict(re.findall(r'\b(PhysicalSize\w+)="([^"]+)"', html.unescape(pixels[0]))) if pixels else {}
    if not {"PhysicalSizeX", "PhysicalSizeY"} <= attributes.keys():
        return None
    units = [NM_PER_TIFF_UNIT.get(attributes.get(f"PhysicalSize{axis}Unit", "µm").lower()) for axis in "XY"]
    sizes = [float(attributes[f"PhysicalSize{axis}"]) * (unit or 0) for axis, unit in zip("XY", units, strict=True)]
    return _square(path, sizes, "OME metadata")


def _square(path: Path, sizes: list[float], source: str) -> tuple[float, str] | None:
    """One size for x and y; None if it is no length (an uncalibrated picture)."""
    if not all(0 < size < float("inf") for size in sizes):
        return None
    if not np.isclose(sizes[0], sizes[1], rtol=1e-3):
        raise HollyError(f"{path}: has pixels of {sizes[0]:.6g} x {sizes[1]:.6g} nm; resample it to square pixels")
    return sizes[0], source
