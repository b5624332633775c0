"""Tables of numbers in text, whose header names the columns and their units: ``"x [nm]","y [nm]"``."""

import csv
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.optional import import_if_there
from holly_triton.core.types import Array

DELIMITERS = "\t;,"
"""Delimiters by precedence: a comma beside one of the others is a decimal comma. Without any of them, blanks separate."""
UNDECODED = "\ufffd"
LONGEST_HEADER = 65536
MOST_COMMENTS = 1000
"""Comment lines above a table that are kept."""
SEPARATOR = re.compile(r"sep=(.)", re.IGNORECASE)
"""The first line with which Excel states the delimiter."""
BLOCK = 2**22
"""Characters read at a time."""
LEAST_FOR_ARROW = 2**20
"""Characters that NumPy reads in less time than Arrow takes to be imported."""
READ_OTHERWISE = '"(\0'
"""Characters in whose presence NumPy and Arrow could differ: of quotes, of ``nan(...)``, and of the end of a table."""
TABLE_END = "\0"
"""The line that ends a table of Elyra; remarks follow."""
SAMPLED = 50
"""Rows that are examined to determine the format of numbers."""
LONGEST_LISTED, MOST_LISTED = 32, 24
"""Largest number of characters of a name, and of names, in a message."""
# No two parts of an expression here can match the same text; otherwise a malicious header could take hours.
COLUMN = re.compile(r"(?P<name>[^\[(]*)(?:[\[(](?P<unit>[^\])]*)[\])]\s*)?$")
WORD = re.compile(r"[^\s\[(]+(?:\s*(?:\[[^\[\]]*\]|\([^()]*\)))?")
"""A name with its unit, delimited by blanks."""
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: In lower case, without the unit.
        unit: The unit in the spelling of the file; None if the name states none.
        index: Its position, from 0.
        label: Its whole name in the spelling of the file.
        text: Whether its cells are text, so that an array of it holds str.
    """

    name: str
    unit: str | None
    index: int
    label: str = ""
    text: bool = False

    def __str__(self) -> str:
        return self.label or self.name + (f" [{self.unit}]" if self.unit else "")


@dataclass(frozen=True)
class Header:
    """The first line that is neither empty nor a ``#`` comment, or the comment above it that names its numbers.

    Attributes:
        columns: The columns, in order.
        delimiter: The delimiter of the columns; None means blanks.
        skip: Lines before the first row of numbers.
        named: False if there are only numbers, so that the columns have no names.
        decimal_comma: Whether numbers are written as 1,5.
        comments: The comments above.
        has_numbers: Whether the first row holds at least two numbers.
    """

    columns: tuple[Column, ...]
    delimiter: str | None
    skip: int
    named: bool
    decimal_comma: bool = False
    comments: tuple[str, ...] = ()
    has_numbers: bool = False

    def find(self, *names: str) -> Column | None:
        """The column whose name is first in ``names``, or None."""
        return find_column(self.columns, *names)

    @property
    def found(self) -> str:
        """The columns, listed for an error message."""
        return listed(self.columns)


def find_column(columns: Sequence[Column], *names: str) -> Column | None:
    """The column whose name is first in ``names``, or None; of several with the same name, the first."""
    by_name = {column.name: column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def listed(columns: Sequence[Column]) -> str:
    """Columns, listed for an error message."""
    texts = [str(column)[:LONGEST_LISTED] for column in columns[:MOST_LISTED]]
    return ", ".join(texts) + (", ..." if len(columns) > MOST_LISTED else "")


def parse_column(text: str, index: int) -> Column:
    """A column from its label in a file: ``x [nm]`` or ``X (nm)`` or ``x``."""
    match = COLUMN.match(text)
    if match is None:
        return Column(text.strip().lower(), None, index, text.strip())
    return Column(match["name"].strip().lower(), match["unit"], index, text.strip())


def read_header(path: Path) -> Header:
    """Read the header of a table.

    Raises:
        HollyError: The file is empty, unreadable or not UTF-8, or its rows are wider than the header.
    """
    comments: list[str] = []
    separator = None
    try:
        # Invalid UTF-8 becomes a mark that no header may hold: Elyra's remarks at the end are in another encoding.
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for skip, line in enumerate(iter(lambda: file.readline(LONGEST_HEADER), "")):
                if "\0" in line or UNDECODED in line:
                    raise _not_text(path)
                if line.startswith("#"):
                    comments = [*comments[-MOST_COMMENTS:], line.strip()]
                elif skip == 0 and (excel := SEPARATOR.fullmatch(line.strip('"\r\n'))):
                    separator = excel[1]
                elif line.strip():
                    rows = [file.readline(LONGEST_HEADER) for _ in range(SAMPLED)]
                    return _parse_header(path, tuple(comments), skip, [line, *rows], separator)
    except OSError as error:
        raise HollyError(f"{path}: cannot be read ({error.strerror})") from error
    raise HollyError(f"{path}: is empty; it must have a line that names the columns, then rows of numbers")


def read_columns(path: Path, header: Header, columns: Sequence[Column]) -> Array:
    """The numbers of some columns, ``[rows, columns]`` float64; an empty cell is NaN.

    Raises:
        HollyError: A cell is not a number, a row is too short, or the text is not UTF-8.
    """
    return np.concatenate([np.stack(part, axis=1) for part in read_parts(path, header, columns)])


def read_parts(path: Path, header: Header, columns: Sequence[Column]) -> Iterator[list[Array]]:
    """Some columns, several hundred thousand rows at a time: each ``[rows of the part]`` float64, or str where it is text.

    There is at least one part, which may be empty. The errors are those of ``read_columns``.
    """
    yield [np.empty(0, str if column.text else float) for column in columns]
    # Remarks that follow a table may be in any encoding.
    with foreign(path, "text"), path.open(encoding="utf-8-sig", errors="replace") as file:
        for _ in range(header.skip):
            file.readline()
        number = header.skip
        while text := file.read(BLOCK) + file.readline():
            found = _arrays_of_arrow(text, header, columns)
            if found is not None:
                yield found
                number += text.count("\n")
                continue
            rows = lines = io.StringIO(text).readlines()
            if TABLE_END in text:
                rows = [*takewhile(lambda line: line.strip() != TABLE_END, lines)]
            yield _arrays(path, header, columns, rows, number)
            if len(rows) < len(lines):
                return
            number += len(lines)


def _arrays_of_arrow(text: str, header: Header, columns: Sequence[Column]) -> list[Array] | None:
    """The columns of some lines by Arrow, where it is installed, with the values that NumPy would find.

    None where NumPy is to read them: a short text, one in which a row has too few or too many cells, words, or a number in
    one of the ways of writing that Arrow does not read.
    """
    known = header.delimiter is not None and len(header.columns) > 1 and not any(column.text for column in columns)
    plain = text.isascii() and not any(character in text for character in READ_OTHERWISE)
    if not (known and plain and len(text) >= LEAST_FOR_ARROW):
        return None
    arrow, csv = import_if_there("pyarrow"), import_if_there("pyarrow.csv")
    if csv is None:
        return None
    block, names = text.encode(), [str(column.index) for column in header.columns]
    try:
        table = csv.read_csv(
            arrow.py_buffer(block),
            csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=names),
            csv.ParseOptions(delimiter=header.delimiter),
            csv.ConvertOptions(
                column_types=dict.fromkeys(names, arrow.float64()), null_values=[""],
                include_columns=[*dict.fromkeys(str(column.index) for column in columns)],
                decimal_point="," if header.decimal_comma else ".",
            ),
        )  # fmt: skip
    except ValueError:
        return None
    return [table.column(str(column.index)).to_numpy() for column in columns]


def _arrays(path: Path, header: Header, columns: Sequence[Column], lines: list[str], number: int) -> list[Array]:
    """The columns of some lines, before which the file has ``number`` others."""
    numbers = [column for column in columns if not column.text]
    words = [column for column in columns if column.text]
    found = dict(zip(numbers, _numbers(path, header, numbers, lines, number).T, strict=True)) if numbers else {}
    if words:
        try:
            found |= dict(zip(words, _load(lines, header, words, dtype=str).T, strict=True))
        except ValueError as error:
            raise _not_numbers(path, number, error) from error
    return [found[column] for column in columns]


def _numbers(path: Path, header: Header, columns: Sequence[Column], lines: list[str], number: int) -> Array:
    """The numbers of some lines, before which the file has ``number`` others."""
    try:
        if not header.decimal_comma:
            return _load(lines, header, columns)
    except ValueError as error:
        cell = re.search(r"could not convert string '(.*)' to", str(error))
        if not cell or cell[1] and UNDECODED not in cell[1] and not DECIMAL_COMMA.fullmatch(cell[1]):
            raise _not_numbers(path, number, error) from error
    # Converters in Python are ten times slower, so they are used only for lines that need them.
    points = lines if header.delimiter == "," else [line.replace(",", ".") for line in lines]
    try:
        return _load(points, header, columns, converters=_number_or_nan)
    except ValueError as error:
        if UNDECODED in str(error):
            raise _not_text(path) from error
        raise _not_numbers(path, number, error) from error


def _load(lines: list[str], header: Header, columns: Sequence[Column], **options: Any) -> Array:
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "loadtxt: input contained no data|Input line .* contained no data", UserWarning
        )
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


def _parse_header(path: Path, comments: tuple[str, ...], skip: int, lines: list[str], separator: str | None) -> Header:
    """The header from the first lines of a table, below ``skip`` other lines."""
    line, *following = lines
    delimiter = separator or next((character for character in DELIMITERS if character in line), None)
    texts = _cells(line, delimiter)
    named = not all(_is_number(text, delimiter) for text in texts)
    rows = [_row(row, delimiter) for row in following]
    width = len(rows[0]) - (rows[0][-1:] == [""])
    # Names that contain blanks are ambiguous where blanks separate.
    if named and (width > len(texts) or (delimiter is None and 0 < width < len(texts))):
        raise HollyError(
            f"{path}: its rows have {width} cells, its header names {len(texts)} columns; "
            "separate them by commas, semicolons or tabs, write decimal points, and name every column"
        )
    words = {i for i in range(len(texts)) if named and _are_words([row[i] for row in rows if i < len(row)], delimiter)}
    header = Header(
        columns=tuple(replace(parse_column(text, i), text=i in words) for i, text in enumerate(texts)),
        delimiter=delimiter,
        skip=skip + named,
        named=named,
        decimal_comma=delimiter != "," and any(DECIMAL_COMMA.fullmatch(text) for row in [texts, *rows] for text in row),
        comments=comments,
        has_numbers=sum(_is_number(text, delimiter) for text in (rows[0] if named else texts)) > 1,
    )
    return header if named else _named_by_comment(header)


def _named_by_comment(header: Header) -> Header:
    """The names, where they are in the last comment, as ``numpy.savetxt`` writes them."""
    comment = header.comments[-1].lstrip("# ") if header.comments else ""
    for texts in (_cells(comment, header.delimiter), _cells(comment, None)):
        if len(texts) == len(header.columns) and not any(_is_number(text, None) for text in texts):
            columns = tuple(parse_column(text, index) for index, text in enumerate(texts))
            return replace(header, columns=columns, named=True)
    return header


def _cells(line: str, delimiter: str | None) -> list[str]:
    """The names in a header."""
    # Some programs quote the whole line as well as each name, so quotes are removed and not parsed.
    line = line.replace('"', "").strip("\r\n")
    return WORD.findall(line) if delimiter is None else [text.strip() for text in line.split(delimiter)]


def _row(line: str, delimiter: str | None) -> list[str]:
    """The cells of a row; in quotes, a cell may hold the delimiter."""
    line = line.strip("\r\n")
    if delimiter is None:
        return line.replace('"', "").split()
    return [cell.strip() for cells in csv.reader([line], delimiter=delimiter) for cell in cells]


def _is_number(text: str, delimiter: str | None) -> bool:
    try:
        float(text.replace(",", ".") if delimiter != "," else text)
    except ValueError:
        return False
    return True


def _are_words(texts: list[str], delimiter: str | None) -> bool:
    """Whether most cells of a column hold letters, and no numbers."""
    words = [any(map(str.isalpha, text)) and not _is_number(text, delimiter) for text in texts if text]
    return 2 * sum(words) > len(words)


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
