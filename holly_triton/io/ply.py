"""PLY (Turk 1994): the vertices of a point cloud or a mesh, as text or binary."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign

Array = NDArray[Any]

TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4", "double": "f8",
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4", "float32": "f4",
    "float64": "f8",
}  # fmt: skip
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
LONGEST = 4096
"""Largest length of a line of the header, bytes."""


@dataclass
class _Element:
    """Rows of one kind: their number, and the names and types of their properties; an empty type is a list."""

    name: str
    count: int
    properties: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class _Header:
    order: str
    elements: list[_Element]
    comments: list[str]


def read_ply(path: Path) -> tuple[Array, list[str]]:
    """The vertices of a file ``[N, 3]`` float64, in its own unit, and its comments.

    Raises:
        HollyError: The file is not PLY, is truncated, or declares more rows than its bytes can hold.
    """
    with foreign(path, "PLY"), path.open("rb") as file:
        header = _read_header(file)
        for element in header.elements:  # before memory is allocated
            if element.count > (size := path.stat().st_size):
                raise HollyError(f"{path}: promises {element.count} rows, more than its {size} bytes can hold")
        names = [element.name for element in header.elements]
        before, vertex = header.elements[: names.index("vertex")], header.elements[names.index("vertex")]
        if "" in dict(vertex.properties).values():
            raise ValueError("its vertices hold lists")
        read = _read_binary if header.order else _read_text
        return read(file, header.order, before, vertex), header.comments


def write_ply(path: Path, points: Array, comment: str) -> None:
    """Write points ``[N, 3]`` as binary PLY in double precision."""
    properties = "".join(f"property double {axis}\n" for axis in "xyz")
    vertices = f"element vertex {len(points)}\n{properties}"
    header = f"ply\nformat binary_little_endian 1.0\ncomment {comment}\n{vertices}end_header\n"
    path.write_bytes(header.encode() + np.ascontiguousarray(points, "<f8").tobytes())


def _read_header(file: IO[bytes]) -> _Header:
    if file.readline(LONGEST).strip() != b"ply":
        raise ValueError("it does not begin with the word ply")
    order = None
    elements: list[_Element] = []
    comments = []
    for line in iter(lambda: file.readline(LONGEST), b""):
        match line.decode(errors="replace").split():
            case ["format", name, _]:
                order = ORDERS[name]
            case ["comment" | "obj_info", *words]:
                comments.append(" ".join(words))
            case ["element", name, count] if count.isdecimal():
                elements.append(_Element(name, int(count)))
            case ["property", "list", _, _, name] if elements:
                elements[-1].properties.append((name, ""))
            case ["property", kind, name] if elements:
                elements[-1].properties.append((name, TYPES[kind]))
            case ["end_header"] if order is not None:
                return _Header(order, elements, comments)
            case words:
                raise ValueError(f"its header holds {' '.join(words)!r}")
    raise ValueError("its header does not end")


def _read_text(file: IO[bytes], order: str, before: list[_Element], vertex: _Element) -> Array:
    lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    first = sum(element.count for element in before)
    names = [name for name, _ in vertex.properties]
    columns = [names.index(axis) for axis in "xyz"]
    rows = lines[first : first + vertex.count]
    if len(rows) < vertex.count:
        raise ValueError(f"it ends after {len(rows)} of {vertex.count} vertices")
    return np.loadtxt(rows, usecols=columns, comments=None, ndmin=2) if rows else np.empty((0, 3))


def _read_binary(file: IO[bytes], order: str, before: list[_Element], vertex: _Element) -> Array:
    if any("" in dict(element.properties).values() for element in before):
        raise ValueError("lists come before its vertices, whose place they hide; save it with the vertices first")
    for element in before:
        file.seek(element.count * _row(element, order).itemsize, 1)
    row = _row(vertex, order)
    held = file.read(vertex.count * row.itemsize)
    table = np.frombuffer(held, row, len(held) // row.itemsize)
    if len(table) < vertex.count:
        raise ValueError(f"it ends after {len(table)} of {vertex.count} vertices")
    return np.stack([table[axis].astype(np.float64) for axis in "xyz"], axis=1)


def _row(element: _Element, order: str) -> np.dtype[Any]:
    return np.dtype([(name, order + kind) for name, kind in element.properties])
