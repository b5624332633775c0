"""PLY (Turk 1994): the vertices of a point cloud or a mesh, as text or binary."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.types import Array

from .channels import PointChannels

TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4", "double": "f8",
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4", "float32": "f4",
    "float64": "f8",
}  # fmt: skip
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
FURTHER = ("channel", "dx", "dy", "dz")
"""Properties of the vertices that are read beside the coordinates."""
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


class Vertices(NamedTuple):
    """What is read of a file."""

    points: Array  # [N, 3] float64, in the file's own unit
    comments: list[str]
    properties: dict[str, Array]  # [N] each, of those in ``FURTHER`` that the file has


def read_ply(path: Path) -> Vertices:
    """The vertices of a file, and its comments.

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
        further = [name for name in FURTHER if name in dict(vertex.properties)]
        table = read(file, header.order, before, vertex, ["x", "y", "z", *further])
        return Vertices(table[:, :3], header.comments, dict(zip(further, table[:, 3:].T, strict=True)))


def write_ply(
    path: Path,
    points: Array,
    comments: Sequence[str],
    channels: PointChannels | None = None,
    displacements: Array | None = None,
) -> None:
    """Write points ``[N, 3]`` as binary PLY in double precision, with the channel of each and its colour.

    ``displacements`` ``[N, 3]`` are the properties dx, dy and dz.
    """
    columns: list[tuple[str, str, Array]] = [("double", axis, points[:, place]) for place, axis in enumerate("xyz")]
    if displacements is not None:
        columns += [("double", f"d{axis}", displacements[:, place]) for place, axis in enumerate("xyz")]
    if channels is not None:
        comments = [*comments, *channels.comments]
        colours = zip(("red", "green", "blue"), channels.colours.T, strict=True)
        columns += [*(("uchar", name, values) for name, values in colours), ("uchar", "channel", channels.of)]
    table = np.empty(len(points), [(name, f"<{TYPES[kind]}") for kind, name, _ in columns])
    for _, name, values in columns:
        table[name] = values
    lines = [
        "ply", "format binary_little_endian 1.0", *(f"comment {comment}" for comment in comments),
        f"element vertex {len(points)}", *(f"property {kind} {name}" for kind, name, _ in columns), "end_header", "",
    ]  # fmt: skip
    path.write_bytes("\n".join(lines).encode() + table.tobytes())


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


def _read_text(file: IO[bytes], order: str, before: list[_Element], vertex: _Element, wanted: list[str]) -> Array:
    lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    first = sum(element.count for element in before)
    names = [name for name, _ in vertex.properties]
    columns = [names.index(name) for name in wanted]
    rows = lines[first : first + vertex.count]
    if len(rows) < vertex.count:
        raise ValueError(f"it ends after {len(rows)} of {vertex.count} vertices")
    return np.loadtxt(rows, usecols=columns, comments=None, ndmin=2) if rows else np.empty((0, len(wanted)))


def _read_binary(file: IO[bytes], order: str, before: list[_Element], vertex: _Element, wanted: list[str]) -> Array:
    if any("" in dict(element.properties).values() for element in before):
        raise ValueError("lists come before its vertices, whose place they hide; save it with the vertices first")
    for element in before:
        file.seek(element.count * _row(element, order).itemsize, 1)
    row = _row(vertex, order)
    held = file.read(vertex.count * row.itemsize)
    table = np.frombuffer(held, row, len(held) // row.itemsize)
    if len(table) < vertex.count:
        raise ValueError(f"it ends after {len(table)} of {vertex.count} vertices")
    return np.stack([table[name].astype(np.float64) for name in wanted], axis=1)


def _row(element: _Element, order: str) -> np.dtype[Any]:
    return np.dtype([(name, order + kind) for name, kind in element.properties])
