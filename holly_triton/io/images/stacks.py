"""Common parts of all readers of pixels: a file or a folder of files becomes one stack of images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign, natural_order
from holly_triton.core.types import Array
from holly_triton.core.words import counted
from holly_triton.io.tables.budget import LARGEST_RATIO
from holly_triton.io.tables.reading import Reading

SUFFIXES = {
    "TIFF": (".tif", ".tiff"),
    "FITS": (".fits", ".fit", ".fts"),
    "MRC": (".mrc", ".mrcs", ".map"),
    "PNG": (".png", ".bmp", ".jpg", ".jpeg"),
    "NumPy": (".npy",),
}
"""Suffixes of each kind of file that holds pixels, lower case."""

LARGEST_BYTES = 4 * 2**30
"""Largest size of all pixels in float32: that of 65 536 pictures of 128 x 128."""

LARGEST_PIXEL_NM = 10_000.0
"""A larger stated pixel is that of a printer or a screen: programs write 72 or 300 dots per inch by default."""
LARGEST_PRINTED_NM = 1000.0
"""The same bound where the file states dots per inch or centimetre, which scanners also write."""

MOST_REMARKS = 5
"""Largest number of listed remarks about single files; a folder may hold thousands."""


@dataclass(frozen=True)
class Stack:
    """One file.

    Attributes:
        images: ``[n, H, W]`` float32, or ``[n, C, H, W]`` where it has channels.
        stated: The pixel size that it states, nm, and the place where it does; None if it does not.
        channels: Names of its C channels; none where it has one.
        notes: How it was read; what holds for all files of a folder is reported once.
        remarks: Irregularities of this file.
    """

    images: Array
    stated: tuple[float, str] | None = None
    channels: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ImageStack:
    """All images of a file or a folder.

    Attributes:
        images: ``[n, H, W]`` float32, as the files hold them, or ``[n, C, H, W]`` of several channels.
        names: Names of the images ``[n]``.
        pixel_nm: Side of a pixel, nm.
        source: The format, in words.
        notes: How they were read, and irregularities of single files.
        channels: Names of the C channels; none where there is one.
    """

    images: Array
    names: list[str]
    pixel_nm: float
    source: str
    notes: list[str]
    channels: tuple[str, ...] = ()


def read_stacks(path: Path, reading: Reading, kind: str, read: Callable[[Path], Stack]) -> ImageStack:
    """Read a file of pictures, or a folder of such files in natural order.

    The pixel size is that of ``--pixel-size``, else the one that the files state. ``--crop`` and ``--channel`` are applied to each
    file before the next is read.

    Args:
        path: A file, a folder of files, or a folder of such folders, each named by its sigma (HOLLy's ``--fitspath``).
        reading: The user's information about the data.
        kind: One of ``SUFFIXES``.
        read: Reads one file.

    Raises:
        HollyError: ``read`` fails, pictures differ in size or channels or are too many, or there is no pixel size.
    """
    files, notes = _files(path, kind)
    channels: tuple[str, ...] = ()
    if reading.crop is not None:
        notes.append(f"Pictures were cropped to {reading.crop} x {reading.crop} px about their centre.")
    stacks: list[Array] = []
    stated, remarks = [], []
    names: list[str] = []
    nbytes = 0
    for file in files:
        stack = read(file)
        if reading.channel is not None:
            stack = _of_channel(file, stack, reading.channel)
        channels = channels if stacks else stack.channels
        stack = _in_order(stack, channels)
        _check_same_channels(file, files[0], stack.channels, channels)
        stacks.append(stack.images if reading.crop is None else _cropped(file, stack.images, reading.crop))
        _check_same_size(file, files[0], stacks[-1].shape[-2:], stacks[0].shape[-2:])
        nbytes += stacks[-1].nbytes
        check_size(path, nbytes)
        names += _names(file, len(stack.images), alone=len(files) == 1)
        stated.append(stack.stated)
        notes += [note for note in stack.notes if note not in notes]
        remarks += [f"{file.name}: {remark}" for remark in stack.remarks]
    if len(remarks) > MOST_REMARKS:
        remarks[MOST_REMARKS:] = [f"{counted(len(remarks) - MOST_REMARKS, 'more remark')} of this kind left out."]
    pixel_nm, said = _pixel_size(files, stated, reading)
    source = f"{kind} stack" if path.is_file() else f"folder of {counted(len(files), f'{kind} file')}"
    return ImageStack(_joined(stacks), names, pixel_nm, source, [*said, *notes, *remarks], channels)


def finest_sigma(folder: Path) -> Path | None:
    """Of a folder that holds only folders of pictures, named by their sigma in pixels, the folder of the smallest sigma.

    Raises:
        HollyError: A folder can't be listed, or the folders do not hold the same pictures.
    """
    if _pictures_in(folder, *SUFFIXES):
        return None
    named = [place for place in folder.iterdir() if place.is_dir() and _number(place.name) >= 0]
    pictures = {place: {file.name for file in _pictures_in(place, *SUFFIXES)} for place in named}
    places = sorted((place for place in named if pictures[place]), key=lambda place: _number(place.name))
    for place in places:
        if pictures[place] != pictures[places[0]]:
            raise HollyError(
                f"{folder}: its folders {places[0].name} and {place.name} hold files of other names, "
                "so they are not the same pictures at several sigmas; give one of them"
            )
    return places[0] if places else None


def check_size(path: Path, nbytes: int) -> None:
    """Refuse data that would take too much memory, before it is allocated.

    Raises:
        HollyError: The size is above ``LARGEST_BYTES``.
    """
    if nbytes > LARGEST_BYTES:
        raise HollyError(
            f"{path}: unpacks to {nbytes / 2**30:.1f} GiB, above the limit of "
            f"{LARGEST_BYTES / 2**30:.0f} GiB; crop or bin the pictures, or give fewer"
        )


def check_packed(path: Path, nbytes: int) -> None:
    """Refuse pixels that no compression fits into their file, before memory is allocated for them.

    Raises:
        HollyError: A header declares too many pixels.
    """
    size = path.stat().st_size
    if nbytes > LARGEST_RATIO * size:
        raise HollyError(f"{path}: declares {nbytes} bytes of pixels, more than its {size} can hold; export it again")


def truncated(path: Path, reason: str) -> HollyError:
    """The error for a file that ends too early."""
    return HollyError(f"{path}: is truncated ({reason}); copy or export it again")


def square_pixel(
    path: Path, sizes_nm: Sequence[float], source: str, largest_nm: float = LARGEST_PIXEL_NM
) -> tuple[float, str] | None:
    """One size in nm for x and y, and its origin; None if it is not positive, or above ``largest_nm`` (uncalibrated).

    Raises:
        HollyError: The sizes along x and y differ.
    """
    if not all(0 < size <= largest_nm for size in sizes_nm):
        return None
    across, down = sizes_nm
    if not np.isclose(across, down, rtol=1e-3):
        raise HollyError(f"{path}: has pixels of {across:.6g} x {down:.6g} nm; resample it to square pixels")
    return across, source


def as_float32(pixels: Array, *, summed_along: int | None = None) -> Array:
    """Pixels as float32, optionally summed along an axis; values beyond its range become infinite, and are skipped later."""
    with np.errstate(over="ignore", invalid="ignore"):
        if summed_along is None:
            # A read-only array maps a file, and pictures are changed in place.
            return pixels.astype(np.float32, copy=not pixels.flags.writeable)
        summed: Array = pixels.sum(axis=summed_along, dtype=np.float32)
        return summed


def _number(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return float("nan")


def _files(path: Path, kind: str) -> tuple[list[Path], list[str]]:
    """The files to read, and notes about their choice."""
    if path.is_file():
        return [path], []
    finest = finest_sigma(path)
    files = _pictures_in(finest or path, kind)
    notes = [f"Of folders named by their sigma the finest, {finest.name}, was read."] if finest else []
    if not files:
        raise HollyError(f"{path}: holds no {kind} file; give a folder of pictures")
    return sorted(files, key=natural_order), notes


def _pictures_in(folder: Path, *kinds: str) -> list[Path]:
    """Files of some kinds of pictures. Hidden files, which belong to the operating system, are ignored."""
    known = {suffix for kind in kinds for suffix in SUFFIXES[kind]}
    with foreign(folder, "a folder"):
        visible = [file for file in folder.iterdir() if not file.name.startswith(".")]
        return [file for file in visible if file.suffix.lower() in known and file.is_file()]


def _names(file: Path, pictures: int, *, alone: bool) -> list[str]:
    """Name of a picture: the page for one file, the file for a folder of single pictures, else both."""
    if alone:
        return [str(page) for page in range(pictures)]
    return [file.stem] if pictures == 1 else [f"{file.stem}/{page}" for page in range(pictures)]


def _of_channel(file: Path, stack: Stack, wanted: str) -> Stack:
    """One channel of a file, by its name or its number from 1."""
    numbered = {str(place): place - 1 for place in range(1, len(stack.channels) + 1)}
    known = numbered | {name: place for place, name in enumerate(stack.channels)}
    if not known:
        raise HollyError(f"{file}: holds one channel; leave --channel out")
    if wanted not in known:
        raise HollyError(f"{file}: has no channel {wanted}; it has {', '.join(stack.channels)}")
    return replace(stack, images=stack.images[:, known[wanted]].copy(), channels=())


def _cropped(file: Path, images: Array, side: int) -> Array:
    height, width = images.shape[-2:]
    if side > min(height, width):
        raise HollyError(
            f"{file}: is {width} x {height} px, too small for --crop {side}; give at most {min(height, width)}"
        )
    top, left = (height - side) // 2, (width - side) // 2
    # A copy releases the memory of the rest.
    return images[..., top : top + side, left : left + side].copy()


def _check_same_size(file: Path, first: Path, size: tuple[int, ...], first_size: tuple[int, ...]) -> None:
    if size != first_size:
        found, wanted = (f"{width} x {height} px" for height, width in (size, first_size))
        raise HollyError(
            f"{file}: is {found} but {first.name} is {wanted}; all must have one size "
            f"(--crop {min(*size, *first_size)} would crop them to it)"
        )


def _in_order(stack: Stack, channels: Sequence[str]) -> Stack:
    """A file with its channels in another order, where it has the same ones."""
    if stack.channels == channels or {*stack.channels} != {*channels}:
        return stack
    order = [stack.channels.index(name) for name in channels]
    return replace(stack, images=stack.images[:, order], channels=tuple(channels))


def _check_same_channels(file: Path, first: Path, channels: Sequence[str], first_channels: Sequence[str]) -> None:
    if channels != first_channels:
        found, wanted = (
            f"the channels {', '.join(names)}" if names else "one channel" for names in (channels, first_channels)
        )
        raise HollyError(f"{file}: has {found}, but {first.name} has {wanted}; give files of the same channels")


def _joined(stacks: list[Array]) -> Array:
    """All stacks in one array; each is released once it is copied, and ``stacks`` ends empty."""
    if len(stacks) == 1:
        return stacks.pop()
    joined = np.empty((sum(map(len, stacks)), *stacks[0].shape[1:]), dtype=np.float32)
    end = len(joined)
    while stacks:
        images = stacks.pop()
        joined[end - len(images) : end] = images
        end -= len(images)
    return joined


def _pixel_size(
    files: list[Path], stated: Sequence[tuple[float, str] | None], reading: Reading
) -> tuple[float, list[str]]:
    """Side of a pixel in nm, and notes about it."""
    notes = [] if reading.unit is None else ["Pictures have pixels, so --unit was not used."]
    known = [size for size in stated if size is not None]
    if reading.pixel_size_nm is not None:
        notes += [
            f"--pixel-size {reading.pixel_size_nm:g} nm was used, though the file states {size:.6g} nm."
            for size in sorted({size for size, _ in known})
            if not np.isclose(size, reading.pixel_size_nm, rtol=1e-3)
        ]
        return reading.pixel_size_nm, notes
    if len(known) < len(files):
        silent = files[stated.index(None)]
        raise HollyError(f"{silent}: does not state its pixel size; give it with --pixel-size NM")
    first, source = known[0]
    for file, (size, _) in zip(files, known, strict=True):
        if not np.isclose(size, first, rtol=1e-3):
            raise HollyError(
                f"{file}: has pixels of {size:.6g} nm but {files[0].name} of {first:.6g} nm; "
                "all must agree (--pixel-size NM overrides them)"
            )
    return first, [*notes, f"Pixel size {first:.6g} nm is from the {source}."]
