"""Columns of files that hold many arrays under many names: structs, groups, archives, records within records."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from holly_triton.core.types import Array
from holly_triton.io.text_table import Column, parse_column

from .columns import ROWS, Table, asked, positions_in
from .names import letters
from .reading import Reading

POSITIONS = (
    "xyz", "xy", "positions", "position", "pos", "localizations", "localisations", "locs", "loc", "coordinates",
    "coords", "coord", "points",
)  # fmt: skip
"""Names of matrices whose two or three columns are positions, in the order of precedence."""
MOST_COLUMNS = 16
"""Largest number of columns of a matrix that is split into columns; wider ones are pictures."""
DEEPEST = 3
"""Depth of nested structs that is searched: SMAP's columns are in saveloc.loc."""
MOST_FIELDS = 10_000
"""Largest number of columns that is examined; the rest of a file is ignored."""
MOST_OTHERS = 3
"""Largest number of other places with positions that a note lists."""


@dataclass(frozen=True, eq=False)
class Leaf:
    """An array of a file that holds many.

    Attributes:
        place: Its path, such as ``saveloc.loc``; empty at the top level.
        name: Its name.
        shape: Shape of the array.
        dtype: Data type, which may have fields.
        read: Returns the part of the array at an index.
    """

    place: str
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[tuple[slice, ...]], Array]


@dataclass(frozen=True)
class Field:
    """One column of such a file.

    Attributes:
        place: Its path.
        name: Its name; columns of a matrix are ``name_1``, ``name_2``, ...
        leaf: The array that holds it.
        along: The axis of the array that enumerates the rows.
        take: Returns the cells ``[rows]`` from some rows of the array.
        text: Whether the cells are text.
        matrix: Rank in ``POSITIONS`` of the matrix that it comes from; None for other columns.
        axis: ``x``, ``y`` or ``z`` in that matrix.
    """

    place: str
    name: str
    leaf: Leaf
    along: int
    take: Callable[[Array], Array]
    text: bool = False
    matrix: int | None = None
    axis: str = ""

    @property
    def label(self) -> str:
        """Place and name."""
        return f"{self.place}.{self.name}" if self.place else self.name

    @property
    def rows(self) -> int:
        """Its number of rows."""
        return self.leaf.shape[self.along]


def leaves_in(tree: Mapping[str, Any]) -> Iterator[Leaf]:
    """The arrays in nested mappings, level by level; a mapping that occurs in many places is searched once."""
    level: list[tuple[str, Mapping[str, Any]]] = [("", tree)]
    seen = {id(tree)}
    for _ in range(DEEPEST + 1):
        below: list[tuple[str, Mapping[str, Any]]] = []
        for place, struct in level:
            for name, value in struct.items():
                if isinstance(value, np.ndarray):
                    yield leaf_of(place, name, value)
                elif isinstance(value, Mapping) and id(value) not in seen:
                    seen.add(id(value))
                    below.append((f"{place}.{name}" if place else name, value))
        level = below


def leaf_of(place: str, name: str, array: Array) -> Leaf:
    """An array that is in memory or mapped."""
    return Leaf(place, name, array.shape, array.dtype, lambda index: np.asarray(array[index]))


def fields_in(leaves: Iterable[Leaf]) -> list[Field]:
    """The columns of arrays: vectors, matrices of few columns, and the fields of structured arrays."""
    found: list[Field] = []
    for leaf in leaves:
        found += _of_records(leaf) if leaf.dtype.names else _of_array(leaf)
        if len(found) > MOST_FIELDS:
            break
    return found[:MOST_FIELDS]


def table_from(source: str, fields: Sequence[Field], reading: Reading, **attributes: Any) -> tuple[Table, str] | None:
    """The columns of the place that has positions, or that the user names, and the place; None if there are none.

    Columns of the same length in other places can be named too, with their place. Where neither names nor the user
    identify positions, the columns of the place with the most of them are returned, so that an error can list them.
    """
    groups: dict[tuple[str, int], list[Field]] = defaultdict(list)
    for field in fields:
        groups[field.place, field.rows].append(field)
    if not groups:
        return None
    names = [letters(parse_column(name, 0).name) for name in asked(reading).values() if not name.isdecimal()]
    place, rows = key = _place(groups, names)
    chosen = [*groups[key], *(field for field in fields if field.rows == rows and field.place != place)]
    notes = [*attributes.pop("notes", [])]
    others = [other for other in groups if other[0] != place and positions_in(_columns(groups[other]))]
    if others and reading.columns is None:
        listed = ", ".join([(other or "the top level") for other, _ in others[:MOST_OTHERS]])
        notes.append(
            f"Positions are those of {place or 'the top level'}; there are others in {listed} (--columns names them)."
        )

    whole = f"{source} ({place})" if place else source
    return table_of_fields(whole, chosen, _columns(chosen, place, names), notes=notes, **attributes), place


def table_of_fields(source: str, fields: Sequence[Field], columns: Sequence[Column], **attributes: Any) -> Table:
    """A table of fields of one length, by columns whose index is that of their field; read on access."""
    rows = fields[0].rows

    def parts(wanted: Sequence[Column]) -> Iterator[Sequence[Array]]:
        chosen = [fields[column.index] for column in wanted]
        for start in range(0, max(1, rows), ROWS):
            # An array that holds several of them is read once.
            read = {(field.leaf, field.along): None for field in chosen}
            blocks = {key: key[0].read(_rows(*key, start)) for key in read}
            yield [np.ascontiguousarray(field.take(blocks[field.leaf, field.along])) for field in chosen]

    return Table(source, tuple(columns), parts, rows=rows, **attributes)


def _rows(leaf: Leaf, along: int, start: int) -> tuple[slice, ...]:
    part = slice(start, min(start + ROWS, leaf.shape[along]))
    return tuple(part if axis == along else slice(None) for axis in range(len(leaf.shape)))


def _place(groups: Mapping[tuple[str, int], Sequence[Field]], names: Sequence[str]) -> tuple[str, int]:
    """The place and the length of the columns to take, given the letters of those that the user names."""
    labels: dict[int, set[str]] = defaultdict(set)
    for (_, rows), group in groups.items():
        labels[rows] |= {letters(field.label) for field in group}
    found = []
    for key, group in groups.items():
        own = {letters(parse_column(field.name, 0).name) for field in group}
        if all(name in own or name in labels[key[1]] for name in names):
            # The place of the columns named before others; then the least deep, and of these the longest: beads and
            # drift are shorter than localisations.
            own_names = sum(name in own for name in names)
            found.append(
                (not positions_in(_columns(group)), -own_names, key[0].count(".") + bool(key[0]), -key[1], key)
            )
    placed = [entry for entry in found if names or not entry[0]]
    if placed:
        return min(placed, key=lambda entry: entry[1:] if names else entry[2:])[-1]
    return max(groups, key=lambda key: (len(groups[key]), key[1]))


def _columns(fields: Sequence[Field], place: str | None = None, wanted: Sequence[str] = ()) -> list[Column]:
    """Columns of one place by their own names, and others by place and name; all of them at one place where none is given.

    Where no column names identify positions, the columns of a matrix whose name does are x, y and z, unless the user names
    others.
    """
    own = [place is None or field.place == place for field in fields]
    names = [field.name if mine else field.label for field, mine in zip(fields, own, strict=True)]
    columns = [
        replace(parse_column(name, index), label=field.label, text=field.text)
        for index, (name, field) in enumerate(zip(names, fields, strict=True))
    ]
    ranks = [field.matrix for field, mine in zip(fields, own, strict=True) if mine and field.matrix is not None]
    named = any(letters(field.name) in wanted or letters(field.label) in wanted for field in fields if field.axis)
    if not ranks or named or positions_in(columns):
        return columns
    return [
        replace(column, name=field.axis) if mine and field.matrix == min(ranks) else column
        for column, field, mine in zip(columns, fields, own, strict=True)
    ]


def _of_array(leaf: Leaf) -> list[Field]:
    """The column of a vector, or those of a matrix in either orientation."""
    long = [axis for axis, length in enumerate(leaf.shape) if length != 1]
    if len(long) == 1:
        return _cells(leaf, long[0], (), leaf.dtype.kind, 1)
    if len(long) != 2:
        return []
    first, second = (leaf.shape[axis] for axis in long)
    lying = (first in (2, 3) and second > 3) or second > MOST_COLUMNS
    along, count = (long[1], first) if lying else (long[0], second)
    return _cells(leaf, along, (), leaf.dtype.kind, count, matrix=True)


def _of_records(leaf: Leaf, dtype: np.dtype[Any] | None = None, path: tuple[str, ...] = ()) -> list[Field]:
    """Columns of a structured array ``[E]``, and of its nested records."""
    dtype = dtype or leaf.dtype
    long = [axis for axis, length in enumerate(leaf.shape) if length != 1]
    if len(leaf.shape) < 1 or len(long) > 1:
        return []
    found: list[Field] = []
    for name in dtype.names or ():
        base, shape = dtype[name].subdtype or (dtype[name], ())
        if base.names and not shape:
            found += _of_records(leaf, base, (*path, name))
        elif not base.names and len(shape) <= 1:
            along = long[0] if long else 0
            found += _cells(leaf, along, (*path, name), base.kind, *(shape or (1,)), matrix=bool(shape))
    return found


def _cells(
    leaf: Leaf, along: int, path: tuple[str, ...], kind: str, count: int, *, matrix: bool = False
) -> list[Field]:
    """Columns of an array, or of the fields at a path within its records, each of whose rows has ``count`` cells."""
    if kind not in "fiubUS" or count > MOST_COLUMNS or (matrix and kind in "US"):
        return []
    name = ".".join(path) or leaf.name
    place = ".".join(part for part in (leaf.place, leaf.name) if part) if path else leaf.place
    key = letters(path[-1] if path else leaf.name)
    rank = POSITIONS.index(key) if key in POSITIONS and count in (2, 3) else None

    def taker(index: int) -> Callable[[Array], Array]:
        def take(block: Array) -> Array:
            for part in path:
                block = block[part]
            return np.moveaxis(block, along, 0).reshape(-1, count)[:, index]

        return take

    return [
        Field(
            place, f"{name}_{i + 1}" if matrix else name, leaf, along, taker(i), kind in "US",
            rank, "xyz"[i] if rank is not None else "",
        )
        for i in range(count)
    ]  # fmt: skip
