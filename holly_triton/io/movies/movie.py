"""A movie of camera frames, whatever its file: what is known of it, and its frames in blocks or one by one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.io.images.stacks import truncated
from holly_triton.io.units import pixel_size_nm

BLOCK_BYTES = 2**25
"""Bytes of a block, if no number of frames is asked for: some methods hold a hundred values for each pixel."""
LARGEST_FRAME_BYTES = 2**28
"""Largest frame: 16 384 x 8192 pixels of 16 bits. No camera has more pixels; a mosaic or a damaged header has."""
FLOAT_NOTE = (
    "The pixels are floating-point numbers. Cameras give whole numbers, so the movie was converted or filtered: "
    "the camera's offset and gain must be those of the numbers in the file."
)
ONE_FRAME_NOTE = "The movie has a single frame."

Reader = Callable[[int, int], Array]
"""Returns the frames ``[b, H, W]`` from the first to one before the last, in any byte order."""


@dataclass(frozen=True)
class Movie:
    """A movie whose frames stay in their file until they are asked for.

    Attributes:
        path: The file or folder.
        source: The format, in words.
        shape: Number of frames, rows, columns.
        dtype: Type of a pixel in the blocks: whole numbers as in the file, or float32.
        read: Reads some frames.
        stated: Side of a pixel, nm, and the place where the file states it; None if it does not.
        notes: Sentences about what was assumed.
    """

    path: Path
    source: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    read: Reader
    stated: tuple[float, str] | None = None
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def pixel_nm(self) -> float | None:
        """Side of a pixel, nm; None if the file does not state it."""
        return None if self.stated is None else self.stated[0]

    def frame(self, index: int) -> Array:
        """One frame ``[H, W]``, counted from 0.

        Raises:
            IndexError: There is no such frame.
            HollyError: The file can't be read, or the frame holds NaN or infinity.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        frame: Array = self._block(index, index + 1)[0]
        return frame

    def blocks(
        self, size: int | None = None, first: int = 0, stop: int | None = None, around: int = 0
    ) -> Iterator[tuple[int, Array]]:
        """The frames in order, in blocks: the index of the first frame of each, and the block ``[b, H, W]``.

        One block is in memory at a time, as long as the caller keeps none.

        Args:
            size: Frames of a block; as many as fit ``BLOCK_BYTES`` if not given. The last one may have fewer.
            first: Where to begin.
            stop: Where to end; the end of the movie if not given.
            around: So many frames before each block and after it are in it as well; beyond the ends of the movie the first
                and the last frame are repeated.

        Raises:
            HollyError: The file can't be read, or a frame holds NaN or infinity.
            ValueError: The size is below 1.
        """
        size = max(1, BLOCK_BYTES // (self.shape[1] * self.shape[2] * self.dtype.itemsize)) if size is None else size
        if size < 1:
            raise ValueError(f"blocks need at least 1 frame, got {size}")
        stop = len(self) if stop is None else min(stop, len(self))
        for start in range(first, stop, size):
            begin, end = start - around, min(start + size, stop) + around
            block = self._block(max(0, begin), min(end, len(self)))
            repeated = (max(0, -begin), max(0, end - len(self)))
            yield start, np.pad(block, (repeated, (0, 0), (0, 0)), mode="edge") if any(repeated) else block

    def _block(self, first: int, stop: int) -> Array:
        with np.errstate(over="ignore"):
            block = self.read(first, stop).astype(self.dtype, copy=False)
        if self.dtype.kind == "f" and not (finite := np.isfinite(block).all(axis=(1, 2))).all():
            bad = first + int(np.argmin(finite))
            raise HollyError(f"{self.path}: its frame {bad + 1} holds NaN or infinity; save the camera's own numbers")
        return block


def movie_of(
    path: Path,
    source: str,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    read: Reader,
    *,
    stated: tuple[float, str] | None = None,
    notes: Sequence[str] = (),
) -> Movie:
    """A movie, after its shape and its type of pixels were found usable.

    Args:
        path: The file or folder.
        source: The format, in words.
        shape: Number of frames, rows, columns.
        dtype: Type of a pixel in the file.
        read: Reads some frames.
        stated: As in ``Movie``; a size that no camera pixel has in the sample is left out.
        notes: Sentences about what was assumed.

    Raises:
        HollyError: There is no frame, a frame is too large, or pixels are not real numbers.
    """
    frames, height, width = (int(side) for side in shape)
    if frames < 1 or min(height, width) < 1:
        raise HollyError(f"{path}: holds no frame ({frames} of {width} x {height} px); export it again")
    if dtype.kind not in "uif":
        right = "the modulus, for instance" if dtype.kind == "c" else "the camera's counts"
        raise HollyError(f"{path}: has {dtype.name} pixels; save real numbers ({right})")
    if height * width * dtype.itemsize > LARGEST_FRAME_BYTES:
        raise HollyError(f"{path}: has frames of {width} x {height} px, more than any camera; is it a mosaic? Crop it")
    said = [*notes]
    if stated is not None and pixel_size_nm(stated[0], "nm") is None:
        said.append(f"The {stated[1]} states pixels of {stated[0]:.4g} nm; no camera has such, so that was not used.")
        stated = None
    if dtype.kind == "f":
        said.append(FLOAT_NOTE)
    if frames == 1:
        said.append(ONE_FRAME_NOTE)
    kept = np.dtype(np.float32) if dtype.kind == "f" else dtype.newbyteorder("=")
    return Movie(path, source, (frames, height, width), kept, read, stated, said)


def joined(path: Path, source: str, parts: Sequence[Movie]) -> Movie:
    """Several files as one movie, in their order, with the pixel size and the notes of the first.

    Raises:
        HollyError: Frames differ in size or in their type of pixels.
    """
    first = parts[0]
    for part in parts[1:]:
        if part.shape[1:] != first.shape[1:]:
            found, wanted = (f"{movie.shape[2]} x {movie.shape[1]} px" for movie in (part, first))
            raise HollyError(f"{part.path}: is {found} but {first.path.name} is {wanted}; all must have one size")
        if part.dtype != first.dtype:
            raise HollyError(
                f"{part.path}: has {part.dtype} pixels but {first.path.name} has {first.dtype}; save all alike"
            )
    ends = np.cumsum([len(part) for part in parts])

    def read(start: int, stop: int) -> Array:
        pieces = []
        for number in range(int(np.searchsorted(ends, start, side="right")), len(parts)):
            begin = int(ends[number]) - len(parts[number])
            if begin >= stop:
                break
            pieces.append(parts[number].read(max(start - begin, 0), min(stop - begin, len(parts[number]))))
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    notes = [note for note in first.notes if note != ONE_FRAME_NOTE or len(parts) == 1]
    return replace(first, path=path, source=source, shape=(int(ends[-1]), *first.shape[1:]), read=read, notes=notes)


def flat_reader(path: Path, dtype: np.dtype[Any], starts: Array, shape: tuple[int, int]) -> Reader:
    """Reader of frames ``[H, W]`` that lie in a file as they are, each from a byte ``starts [F]`` on.

    Not a memory map: the system counts mapped pages as memory of the program.
    """
    nbytes = dtype.itemsize * shape[0] * shape[1]

    def read(first: int, stop: int) -> Array:
        block = np.empty((stop - first, *shape), dtype)
        try:
            with path.open("rb") as file:
                for target, start in zip(block, starts[first:stop].tolist(), strict=True):
                    file.seek(start)
                    if file.readinto(memoryview(target).cast("B")) < nbytes:
                        raise truncated(path, f"a frame should end at byte {start + nbytes}")
        except OSError as error:
            raise HollyError(f"{path}: cannot be read any more ({error.strerror}); is its disk still there?") from error
        return block

    return read


def check_end(path: Path, ends: Array) -> None:
    """Refuse frames that end ``[F]`` beyond the end of the file.

    Raises:
        HollyError: They do.
    """
    size = path.stat().st_size
    whole = int((ends <= size).sum())
    if whole < len(ends):
        raise truncated(
            path, f"{whole} of {len(ends)} frames are whole; the last ends at byte {ends.max()}, the file at {size}"
        )
