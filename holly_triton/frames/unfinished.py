"""A movie localised block by block, so that the work can be stopped, or killed, and go on where it was.

Until the table ``found.csv`` is whole, the folder ``found-unfinished`` lies beside it: job.json, what was asked for, and
blocks.npy, the localisations of the blocks of frames so far. Blocks do not depend on each other, and one that is stored
is taken as it is, so that the table of a work that was stopped is that of one that was not. Memory does not depend on the
length of the movie.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import IO, Any, NamedTuple

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import digest
from holly_triton.core.lock import alone, check_idle
from holly_triton.core.progress import in_parts
from holly_triton.core.resumption import read_job, write_job
from holly_triton.core.stop import stoppable
from holly_triton.core.types import Array
from holly_triton.io.movies.movie import Movie
from holly_triton.io.tables.writing import Append

BLOCKS = "blocks.npy"


@dataclass(frozen=True)
class Job:
    """What was asked for, as job.json holds it.

    Attributes:
        command: ``localise`` or ``fit``.
        movie: Absolute path of the movie.
        shape: Its frames, rows and columns.
        block: Frames of a block.
        made_by: Absolute path of the model or PSF; None where there is none.
        digest: Of its content.
        options: All else that was given, by name.
    """

    command: str
    movie: str
    shape: Sequence[int]
    block: int
    made_by: str | None
    digest: str | None
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))  # which JSON holds as a list

    def continued(self, path: Path, now: "Job") -> "Job":
        """This job, if it is still the same now.

        Raises:
            HollyError: The movie, or what localises, has changed since it was begun.
        """
        if self.shape != now.shape:
            raise HollyError(f"{path}: has another size than when its table was begun; begin anew with --overwrite")
        if self.digest != now.digest:
            raise HollyError(f"{self.made_by}: has changed since the table was begun; begin anew with --overwrite")
        return self

    @staticmethod
    def of(command: str, movie: Movie, block: int, made_by: Path | None, options: dict[str, Any]) -> "Job":
        """What is asked for now."""
        place = None if made_by is None else str(made_by.absolute())
        content = None if made_by is None else digest(made_by)
        return Job(command, str(movie.path.absolute()), movie.shape, block, place, content, options)


class Block(NamedTuple):
    """What was found in a block of frames."""

    table: Array
    """Of the columns that a file of localisations needs, and others."""
    left_out: Sequence[int] = ()
    """Numbers of candidates that were left out, by the reason."""


def folder_of(out: Path) -> Path:
    """The folder beside a table that is not whole yet."""
    return out.with_name(f"{out.stem}-unfinished")


def go_on(command: str, movie: Path, out: Path) -> str:
    """The command that continues what was stopped."""
    return f"holly-triton frames {command} {quote(str(movie))} {quote(str(out))} --resume"


def job_of(command: str, movie: Path, out: Path) -> Job:
    """What was asked for when a table was begun.

    Raises:
        HollyError: There is nothing to resume, or it is of another movie or another command.
    """
    folder = folder_of(out)
    job = read_job(folder, Job)
    if (job.command, job.movie) != (command, str(movie.absolute())):
        raise HollyError(
            f"{folder}: is of frames {job.command} {job.movie}; give that movie, or another name for the table"
        )
    return job


def check_none(out: Path) -> None:
    """Refuse to begin a table anew that could go on.

    Raises:
        HollyError: So it is.
    """
    folder = folder_of(out)
    if folder.exists():
        raise HollyError(
            f"{folder}: is of a work that was stopped; go on with --resume, or pass --overwrite to begin anew"
        )


def localised(
    movie: Movie,
    out: Path,
    job: Job,
    work: Callable[[int, Array], Block],
    append: Append,
    *,
    resumed: bool,
    around: int = 0,
) -> Iterator[tuple[int, Block]]:
    """The blocks of a movie with their numbers of frames: those that are stored, and then the others, until a signal.

    Args:
        movie: The movie.
        out: Its table.
        job: Of this work; it is stored where nothing is yet.
        work: Localises a block, which it is given with the index of its first frame, counted from 0.
        append: Takes every table.
        resumed: Whether what is stored belongs to this work; it is taken away otherwise.
        around: Frames before and after each block that ``work`` is given as well.

    Raises:
        HollyError: A file can't be read or written, or another process is at it.
    """
    folder = folder_of(out)
    with (
        stoppable() as stop,
        _place(folder, job, resumed),
        (folder / BLOCKS).open("a+b") as file,
        in_parts(-(-len(movie) // job.block)) as begin,
    ):
        done = 0

        def added(block: Block) -> tuple[int, Block]:
            nonlocal done
            frames = min(job.block, len(movie) - done)
            append(block.table)
            done += frames
            return frames, block

        for block in _stored(file):
            begin(f"frame {done + 1} of {len(movie)}, localised before")
            yield added(block)
        for first, adu in movie.blocks(job.block, first=done, around=around):
            if stop.asked:
                return
            begin(f"frame {first + 1} of {len(movie)}")
            block = work(first, adu)
            _store(file, block)
            yield added(block)


def finish(out: Path) -> None:
    """Take away what was stored beside a table that is whole."""
    shutil.rmtree(folder_of(out), ignore_errors=True)


@contextmanager
def _place(folder: Path, job: Job, resumed: bool) -> Iterator[None]:
    """The folder of a work, for this process alone; it is taken away if nothing comes into it."""
    check_idle(folder)
    try:
        if folder.exists() and not resumed:
            shutil.rmtree(folder)
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise HollyError(f"{folder}: cannot be made ({error.strerror}); choose another place for the table") from error
    try:
        with alone(folder):
            write_job(folder, job)
            yield
    finally:
        with suppress(OSError):
            if (folder / BLOCKS).stat().st_size == 0:
                shutil.rmtree(folder)


def _stored(file: IO[bytes]) -> Iterator[Block]:
    """The blocks of a file; what a crash has left half written at its end is cut off."""
    file.seek(0)
    while True:
        end = file.tell()
        try:
            table, left_out = (np.load(file, allow_pickle=False) for _ in Block._fields)
        except (EOFError, ValueError):
            file.truncate(end)
            file.seek(end)
            return
        yield Block(table, left_out.tolist())


def _store(file: IO[bytes], block: Block) -> None:
    for part in (block.table, np.array(block.left_out, np.int64)):
        np.save(file, part)
    file.flush()
