"""Tables of numbers in text, whose header names the columns and their units: ``"x [nm]","y [nm]"``."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holly_triton.errors import HollyError

Array = NDArray[Any]

NM_PER_UNIT = {"nm": 1.0, "um": 1000.0, "µm": 1000.0, "μm": 1000.0, "micron": 1000.0}
"""Lengths a file may say it is in. The micro sign and the Greek mu are two characters."""

DELIMITERS = ",;\t"
LONGEST_HEADER = 65536
COLUMN = re.compile(r"(?P<name>[^\[(]*?)\s*(?:[\[(](?P<unit>[^\])]*)[\])])?\s*$")


@dataclass(frozen=True)
class Column:
    """One column: its lower-case name without the unit, its unit if it says one, and its place from 0."""

    name: str
    unit: str | None
    index: int


@dataclass(frozen=True)
class Header:
    """The first line that is neither empty nor a ``#`` comment.

    Attributes:
        columns: What it names, in order.
        delimiter: What separates the columns.
        skip: Lines before the first row of numbers.
        named: False if that line already holds numbers, so that the columns have no names.
    """

    columns: tuple[Column, ...]
    delimiter: str
    skip: int
    named: bool

    def find(self, *names: str) -> Column | None:
        """The column whose name comes first in ``names``, or None."""
        by_name = {column.name: column for column in reversed(self.columns)}
        return next((by_name[name] for name in names if name in by_name), None)

    @property
    def found(self) -> str:
        """The columns as an error message lists them."""
        texts = [c.name[:24] + (f" [{c.unit}]" if c.unit else "") for c in self.columns[:12]]
        return ", ".join(texts) + (", ..." if len(self.columns) > 12 else "")


def read_header(path: Path) -> Header:
    """Read the header of a table.

    Raises:
        HollyError: no such text: empty, unreadable, or not UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for skip, line in enumerate(iter(lambda: file.readline(LONGEST_HEADER), "")):
                if "\0" in line:
                    raise _not_text(path)
                if line.strip() and not line.startswith("#"):
                    return _parse_header(line, skip)
    except UnicodeDecodeError as error:
        raise _not_text(path) from error
    except OSError as error:
        raise HollyError(f"{path}: cannot be read ({error.strerror})") from error
    raise HollyError(f"{path}: is empty; a line that names the columns, then rows of numbers are needed")


def read_columns(path: Path, header: Header, columns: Sequence[Column]) -> Array:
    """The numbers of some columns, ``[rows, columns]`` float64; an empty cell is NaN.

    Raises:
        HollyError: a cell that is no number, a row too short, text that is not UTF-8.
    """
    try:
        return _load(path, header, columns)
    except UnicodeDecodeError as error:
        raise _not_text(path) from error
    except ValueError as error:
        if "could not convert string ''" not in str(error):
            raise _not_numbers(path, header, error) from error
    # Converters in Python are ten times slower: only files with empty cells pay for them.
    try:
        return _load(path, header, columns, converters=_number_or_nan)
    except ValueError as error:
        raise _not_numbers(path, header, error) from error


def _load(path: Path, header: Header, columns: Sequence[Column], **options: Any) -> Array:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "loadtxt: input contained no data", UserWarning)
        # A path, not an open file: numpy then reads blocks in C instead of lines in Python.
        numbers: Array = np.loadtxt(
            str(path),
            delimiter=header.delimiter,
            skiprows=header.skip,
            usecols=[column.index for column in columns],
            comments=None,
            quotechar='"',
            encoding="utf-8",
            ndmin=2,
            **options,
        )
    return numbers.reshape(-1, len(columns))


def _parse_header(line: str, skip: int) -> Header:
    delimiter = max(DELIMITERS, key=line.count)
    # Some programs quote the whole line as well as each name, so quotes are not parsed but dropped.
    texts = [text.strip() for text in line.replace('"', "").split(delimiter)]
    named = not all(_is_number(text) for text in texts)
    columns = tuple(_parse_column(text, index) for index, text in enumerate(texts))
    return Header(columns, delimiter, skip + named, named)


def _parse_column(text: str, index: int) -> Column:
    match = COLUMN.match(text)
    if match is None:
        return Column(text.lower(), None, index)
    return Column(match["name"].strip().lower(), match["unit"], index)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number_or_nan(text: str) -> float:
    return float(text) if text.strip() else np.nan


def _not_text(path: Path) -> HollyError:
    return HollyError(f"{path}: is not UTF-8 text; save it as CSV with UTF-8 encoding")


def _not_numbers(path: Path, header: Header, error: ValueError) -> HollyError:
    reason = " ".join(str(error).split())[:200]
    # numpy counts rows from 0 for a bad cell, from 1 for a short row; an editor counts lines from 1.
    first = header.skip + (0 if "column index" in reason else 1)
    reason = re.sub(r"at row (\d+)", lambda match: f"in line {int(match[1]) + first}", reason)
    return HollyError(f"{path}: {reason.rstrip('.')}; every row must hold numbers in the columns that are read")
