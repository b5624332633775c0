"""Tables of numbers in text, whose header names the columns and their units: ``"x [nm]","y [nm]"``."""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign

Array = NDArray[Any]

NM_PER_UNIT = {"nm": 1.0, "um": 1000.0, "µm": 1000.0, "μm": 1000.0, "micron": 1000.0, "m": 1e9}
"""Lengths a file may say it is in. The micro sign and the Greek mu are two characters."""

DELIMITERS = "\t;,"
"""In the order in which they count: a comma beside one of the others is a decimal comma. Without any, blanks separate."""
UNDECODED = "\ufffd"
LONGEST_HEADER = 65536
BLOCK = 2**22
"""Characters that are read at a time."""
TABLE_END = "\0"
"""A line with which Elyra ends its table; remarks follow."""
SAMPLED = 50
"""Rows that are looked at to learn how numbers are written."""
# No two parts of an expression here can match the same text: else a hostile header takes hours.
COLUMN = re.compile(r"(?P<name>[^\[(]*)(?:[\[(](?P<unit>[^\])]*)[\])]\s*)?$")
WORD = re.compile(r"[^\s\[(]+(?:\s*(?:\[[^\[\]]*\]|\([^()]*\)))?")
"""A name between blanks, with its unit."""
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Column:
    """One column: its lower-case name without the unit, its unit if it says one, and its place from 0."""

    name: str
    unit: str | None
    index: int


@dataclass(frozen=True)
class Header:
    """The first line that is neither empty nor a ``#`` comment, or the comment above it that names its numbers.

    Attributes:
        columns: What it names, in order.
        delimiter: What separates the columns; None means blanks.
        skip: Lines before the first row of numbers.
        named: False if there are only numbers, so that the columns have no names.
        decimal_comma: Whether numbers look like 1,5.
        comment: The last comment above.
    """

    columns: tuple[Column, ...]
    delimiter: str | None
    skip: int
    named: bool
    decimal_comma: bool = False
    comment: str = ""

    def find(self, *names: str) -> Column | None:
        """The column whose name comes first in ``names``, or None."""
        return find_column(self.columns, *names)

    @property
    def found(self) -> str:
        """The columns as an error message lists them."""
        return listed(self.columns)


def find_column(columns: Sequence[Column], *names: str) -> Column | None:
    """The column whose name comes first in ``names``, or None; the first of several of one name."""
    by_name = {column.name: column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def listed(columns: Sequence[Column]) -> str:
    """Columns as an error message lists them."""
    texts = [c.name[:24] + (f" [{c.unit}]" if c.unit else "") for c in columns[:12]]
    return ", ".join(texts) + (", ..." if len(columns) > 12 else "")


def parse_column(text: str, index: int) -> Column:
    """A column from what a file calls it: ``x [nm]`` or ``X (nm)`` or ``x``."""
    match = COLUMN.match(text)
    if match is None:
        return Column(text.strip().lower(), None, index)
    return Column(match["name"].strip().lower(), match["unit"], index)


def read_header(path: Path) -> Header:
    """Read the header of a table.

    Raises:
        HollyError: no such text: empty, unreadable, not UTF-8, or rows wider than the header.
    """
    comment = ""
    try:
        # What is no UTF-8 becomes a mark that no header may hold: Elyra's remarks far below are in another encoding.
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for skip, line in enumerate(iter(lambda: file.readline(LONGEST_HEADER), "")):
                if "\0" in line or UNDECODED in line:
                    raise _not_text(path)
                if line.startswith("#"):
                    comment = line
                elif line.strip():
                    return _parse_header(
                        path, comment, skip, line, [file.readline(LONGEST_HEADER) for _ in range(SAMPLED)]
                    )
    except OSError as error:
        raise HollyError(f"{path}: cannot be read ({error.strerror})") from error
    raise HollyError(f"{path}: is empty; a line that names the columns, then rows of numbers are needed")


def read_columns(path: Path, header: Header, columns: Sequence[Column]) -> Array:
    """The numbers of some columns, ``[rows, columns]`` float64; an empty cell is NaN.

    Raises:
        HollyError: a cell that is no number, a row too short, text that is not UTF-8.
    """
    return np.concatenate([*read_parts(path, header, columns)])


def read_parts(path: Path, header: Header, columns: Sequence[Column]) -> Iterator[Array]:
    """What ``read_columns`` reads, some hundred thousand rows at a time; at least one part, though it be empty."""
    yield np.empty((0, len(columns)))
    # Remarks that follow a table may be in any encoding.
    with foreign(path, "text"), path.open(encoding="utf-8-sig", errors="replace") as file:
        for _ in range(header.skip):
            file.readline()
        number = header.skip
        while lines := file.readlines(BLOCK):
            rows = [*takewhile(lambda line: line.strip() != TABLE_END, lines)]
            yield _numbers(path, header, columns, rows, number)
            if len(rows) < len(lines):
                return
            number += len(lines)


def _numbers(path: Path, header: Header, columns: Sequence[Column], lines: list[str], number: int) -> Array:
    """The numbers of some lines, before which the file has ``number`` others."""
    try:
        if not header.decimal_comma:
            return _load(lines, header, columns)
    except ValueError as error:
        cell = re.search(r"could not convert string '(.*)' to", str(error))
        if not cell or cell[1] and UNDECODED not in cell[1] and not DECIMAL_COMMA.fullmatch(cell[1]):
            raise _not_numbers(path, number, error) from error
    # Converters in Python are ten times slower: only lines that need them pay for them.
    points = lines if header.delimiter == "," else [line.replace(",", ".") for line in lines]
    try:
        return _load(points, header, columns, converters=_number_or_nan)
    except ValueError as error:
        if UNDECODED in str(error):
            raise _not_text(path) from error
        raise _not_numbers(path, number, error) from error


def _load(lines: list[str], header: Header, columns: Sequence[Column], **options: Any) -> Array:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "loadtxt: input contained no data", UserWarning)
        numbers: Array = np.loadtxt(
            lines,
            delimiter=header.delimiter,
            usecols=[column.index for column in columns],
            comments=None,
            quotechar='"',
            ndmin=2,
            **options,
        )
    return numbers.reshape(-1, len(columns))


def _parse_header(path: Path, comment: str, skip: int, line: str, following: list[str]) -> Header:
    delimiter = next((character for character in DELIMITERS if character in line), None)
    texts = _cells(line, delimiter)
    named = not all(_is_number(text, delimiter) for text in texts)
    rows = [_cells(row, delimiter, blanks=True) for row in following]
    width = len(rows[0]) - (rows[0][-1:] == [""])
    # Names that hold blanks can't be told apart where blanks separate.
    if named and (width > len(texts) or (delimiter is None and 0 < width < len(texts))):
        raise HollyError(
            f"{path}: its rows have {width} cells, its header names {len(texts)} columns; "
            "separate them by commas, semicolons or tabs, write decimal points, and name every column"
        )
    header = Header(
        columns=tuple(parse_column(text, index) for index, text in enumerate(texts)),
        delimiter=delimiter,
        skip=skip + named,
        named=named,
        decimal_comma=delimiter != "," and any(DECIMAL_COMMA.fullmatch(text) for row in [texts, *rows] for text in row),
        comment=comment.strip(),
    )
    return header if named else _named_by_comment(header)


def _named_by_comment(header: Header) -> Header:
    """The names, where they are in a comment, as ``numpy.savetxt`` puts them."""
    comment = header.comment.lstrip("# ")
    for texts in (_cells(comment, header.delimiter), _cells(comment, None)):
        if len(texts) == len(header.columns) and not any(_is_number(text, None) for text in texts):
            columns = tuple(parse_column(text, index) for index, text in enumerate(texts))
            return replace(header, columns=columns, named=True)
    return header


def _cells(line: str, delimiter: str | None, blanks: bool = False) -> list[str]:
    # Some programs quote the whole line as well as each name, so quotes are not parsed but dropped.
    line = line.replace('"', "").strip("\r\n")
    if delimiter is None:
        return line.split() if blanks else WORD.findall(line)
    return [text.strip() for text in line.split(delimiter)]


def _is_number(text: str, delimiter: str | None) -> bool:
    try:
        float(text.replace(",", ".") if delimiter != "," else text)
    except ValueError:
        return False
    return True


def _number_or_nan(text: str) -> float:
    return float(text) if text.strip() else np.nan


def _not_text(path: Path) -> HollyError:
    return HollyError(f"{path}: is not UTF-8 text; save it as CSV with UTF-8 encoding")


def _not_numbers(path: Path, before: int, error: ValueError) -> HollyError:
    reason = " ".join(str(error).split())[:200]
    # numpy counts rows from 0 for a bad cell, from 1 for a short row; an editor counts lines from 1.
    first = before + (0 if "column index" in reason else 1)
    reason = re.sub(r"at row (\d+)", lambda match: f"in line {int(match[1]) + first}", reason)
    return HollyError(f"{path}: {reason.rstrip('.')}; every row must hold numbers in the columns that are read")
