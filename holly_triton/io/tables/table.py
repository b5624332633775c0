"""The readers of all formats of localisations, applied to a file or to a folder of fields of view.

A new format is a reader, and one row in ``READERS``; its recognition by content goes into ``kind_of``.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from holly_triton.core.errors import HollyError
from holly_triton.core.files import missing, natural_order
from holly_triton.core.words import part_of

from .columns import Table
from .csv_table import LARGEST_HELD, read_csv
from .fields import side_by_side
from .hdf5 import read_hdf5
from .insight3 import read_insight3
from .json_file import read_json
from .kinds import advice, kind_of
from .matlab import read_mat
from .numpy_file import read_npy, read_npz
from .reading import Reading
from .rows import Part, Rows, rows_of
from .smlm_archive import read_smlm

READERS: dict[str, Callable[[Path, Reading], Table]] = {
    ".csv": read_csv,
    ".txt": read_csv,
    ".tsv": read_csv,
    ".hdf5": read_hdf5,
    ".h5": read_hdf5,
    ".mat": read_mat,
    ".npy": read_npy,
    ".npz": read_npz,
    ".smlm": read_smlm,
    ".json": read_json,
    ".bin": read_insight3,
}
"""Readers by suffix, lower case; ``kind_of`` gives the suffix that a file should have by its content."""


def suffix_of(path: Path) -> str:
    """The suffix of a file, lower case, or that of the format which its content shows: tables in text have any suffix."""
    return kind_of(path, READERS) or path.suffix.lower()


def read_rows(path: Path, reading: Reading, most: int | None = None) -> Rows:
    """Localisations of a file of any known format, whether or not it marks particles; or of a folder of fields of view.

    Args:
        path: One file, or a folder of files, whose fields are placed side by side.
        reading: The user's information about it.
        most: As for ``rows_of``; a folder is read whole.

    Raises:
        HollyError: There is no such file, its format is unknown, it is damaged, or it holds no positions.
    """
    path = Path(path)
    if path.is_dir():
        return side_by_side(path, read_folder(path, reading))
    if not path.is_file():
        raise missing(path, "a file of localisations, or a folder of fields of view")
    return rows_of(path, read_table(path, reading), reading, most)


def read_table(path: Path, reading: Reading) -> Table:
    """The columns of a file of any known format, as the file has them.

    Raises:
        HollyError: The format is unknown, or the file is damaged.
    """
    read = READERS.get(suffix_of(path))
    if read is None:
        raise HollyError(f"{path}: {advice(path) or f'is not a known file of localisations; those are {_known()}'}")
    return read(path, reading)


def files_in(folder: Path) -> list[Path]:
    """The files of localisations of a folder, in the order of their numbers.

    Raises:
        HollyError: There is none.
    """
    files = (file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    data = sorted((file for file in files if suffix_of(file) in READERS), key=natural_order)
    if not data:
        raise HollyError(f"{folder}: holds no file of localisations; those are {_known()}")
    return data


def read_folder(folder: Path, reading: Reading) -> list[Rows]:
    """Localisations of each file of a folder; a file that can't be read is left out and mentioned in the notes of the first.

    Raises:
        HollyError: No file can be read; the error is that of the first.
    """
    files, found, failures = files_in(folder), [], []
    held = sum(file.stat().st_size for file in files) <= LARGEST_HELD
    for file in files:
        try:
            found.append(_of_a_folder(file, reading, held))
        except HollyError as error:
            failures.append(error)
    if not found:
        raise failures[0]
    if failures:
        found[0].notes.append(
            part_of(len(failures), len(files), "file", "{were} skipped; the first: ") + f"{failures[0]}."
        )
    return found


def _of_a_folder(file: Path, reading: Reading, held: bool) -> Rows:
    """Localisations of one of many files, either in memory (``held``) or from the file, which is opened for each pass.

    No file stays open: there may be more of them than a process may have.
    """
    rows = read_rows(file, reading)
    if held:
        return rows.held()

    selection, words = rows.selection, rows.words  # and not the rows, which hold the file open

    def parts() -> Iterator[Part]:
        again = read_rows(file, reading)
        yield from again.parts()
        if selection is not None and again.selection is not None:
            selection.counts = again.selection.counts
        if words is not None and again.words is not None:
            words.update(again.words)

    return replace(rows, parts=parts)


def _known() -> str:
    return ", ".join(READERS)
