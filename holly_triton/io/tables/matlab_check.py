"""Checks of the structure of MATLAB files of versions 5 to 7, whose types and sizes SciPy's reader does not verify.

In SciPy, an element of an unknown type ends the process, and any declared size of memory is allocated. The format
(MathWorks, MAT-File Format, level 5): an element is a tag with its type and size, and its content, padded to 8 bytes. A
matrix is an element of elements: flags, dimensions, name, then its numbers, or the matrices in its cells or fields.
"""

import math
import mmap
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from .budget import Budget

HEADER, MARK = 128, slice(124, 128)
"""Bytes before the first element, the last of which give the version and byte order."""
BYTE_ORDER = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}
SIMPLE = frozenset((*range(1, 8), 9, 12, 13, 16, 17, 18))
"""Types of elements that hold numbers or text."""
UINT32, MATRIX, COMPRESSED = 6, 14, 15
CELL, STRUCT, OBJECT, SPARSE, LAST_OF_NUMBERS = 1, 2, 3, 5, 15
"""Classes of matrices; those above the last are functions and objects of matrices."""
COMPLEX = 0x800
"""The flag of a matrix that has an imaginary part too."""
DEEPEST = 50
"""Largest depth of nested cells."""
FEWEST_MATRICES = 2**16
"""Elements that are read from any file; more are read only if it has as many bytes. Compressed, an empty cell takes less
than a bit."""

Content = bytes | mmap.mmap
Element = tuple[int, int, int]
"""Type, first byte and end of the content."""


def check_elements(path: Path) -> None:
    """Walk through the tags of all elements.

    Raises:
        ValueError, struct.error, zlib.error: The file is damaged, or of another version.
    """
    budget = Budget(max(FEWEST_MATRICES, path.stat().st_size), "cells")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        order = BYTE_ORDER.get(whole[MARK])
        if order is None or 0 in whole[:4]:  # by which SciPy identifies version 4
            raise ValueError("no header of version 5 to 7")
        start = HEADER
        while start < len(whole):
            kind, first, start = _element(whole, start, len(whole), order)
            content: Content = whole
            if kind == COMPRESSED:
                content = zlib.decompress(whole[first:start])
                kind, first, end = _element(content, 0, len(content), order)
            else:
                end = start
            if kind != MATRIX:
                raise ValueError(f"a variable of type {kind}")
            _check_matrix(content, first, end, order, budget)


def _element(content: Content, start: int, end: int, order: str) -> Element:
    """The element at a position."""
    kind, size = struct.unpack_from(order + "II", content, start)
    first = start + 8
    if kind >> 16:  # at most four bytes lie within the tag itself
        kind, size, first = kind & 0xFFFF, kind >> 16, start + 4
    if first + size > end or (first == start + 4 and size > 4):
        raise ValueError(f"an element of {size} bytes where there is room for {end - first}")
    return kind, first, first + size


def _elements(content: Content, start: int, end: int, order: str) -> Iterator[Element]:
    """All elements between two places."""
    while start < end:
        element = _element(content, start, end, order)
        yield element
        start += 8 * max(1, math.ceil((element[2] - start) / 8))


def _check_matrix(content: Content, start: int, end: int, order: str, budget: Budget, depth: int = 0) -> None:
    budget.spend(1)
    if start == end:  # how an empty cell is written
        return
    flags, dimensions, _, *parts = _elements(content, start, end, order)
    if flags != (UINT32, start + 8, start + 16) or depth > DEEPEST:
        raise ValueError("a matrix without flags" if depth <= DEEPEST else f"cells {depth} deep")
    (flag,) = struct.unpack_from(order + "I", content, flags[1])
    kind_of_matrix = flag & 0xFF
    if kind_of_matrix in (CELL, STRUCT, OBJECT):
        first, last = dimensions[1:]
        shape = struct.unpack_from(f"{order}{(last - first) // 4}i", content, first)
        # Each cell has a tag of 8 bytes.
        if min(shape, default=0) < 0 or 8 * math.prod(shape) > end - start:
            raise ValueError(f"it promises {math.prod(shape)} cells, more than its bytes can hold")
    elif kind_of_matrix <= LAST_OF_NUMBERS:
        needed = (3 if kind_of_matrix == SPARSE else 1) + bool(flag & COMPLEX)
        if len(parts) < needed or any(kind == MATRIX for kind, _, _ in parts):
            raise ValueError("a matrix without numbers")
    for kind, first, last in parts:
        if kind == MATRIX:
            _check_matrix(content, first, last, order, budget, depth + 1)
        elif kind not in SIMPLE:
            raise ValueError(f"an element of type {kind}")
