"""The role and unit of each column of a table, for any file format."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.core.words import enumerated
from holly_triton.io.text_table import LONGEST_LISTED, Column, listed, parse_column
from holly_triton.io.units import PIXEL, unit_word

from . import names
from .reading import Reading

ROWS = 2**17
"""Rows read at a time: a few MiB, whatever the file's size."""
ROLES = ("x", "y", "z", "particle", "photons", "precision", "precision_z", "frame", "channel")
"""Roles that ``--columns`` can assign."""
ITEM = re.compile(r'(?:"[^"]*"|\[[^\]]*\]|\([^)]*\)|[^,])+')
"""An item of ``--columns``: commas in quotes and brackets do not separate."""


@dataclass(frozen=True)
class Table:
    """A table as a reader returns it.

    Attributes:
        source: The format, in words.
        columns: Columns of the file, by the file's own names in lower case.
        parts: Reads some columns, as often as asked: yields the rows part by part, each an array ``[rows of the part]`` a
            column; at least one part, though it be empty.
        rows: Number of rows, if the file states it before they are read; else 0.
        xy_unit: The unit of x and y, and of the precision along them, if the file states it elsewhere than in their names.
        pixel_nm: Side of a camera pixel, nm, if the file states it: one number, or one along x and one along y.
        named: False if the columns have only numbers, from 1, as names.
        one_unit: Whether x, y and z come from one array, and so share a unit.
        notes: What was skipped and why.
    """

    source: str
    columns: tuple[Column, ...]
    parts: Callable[[Sequence[Column]], Iterator[Sequence[Array]]]
    rows: int = 0
    xy_unit: str | None = None
    pixel_nm: float | tuple[float, float] | None = None
    named: bool = True
    one_unit: bool = False
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Roles:
    """The columns of each role, two where the precision differs along x and y; and notes about the choice.

    ``precision_xy`` is a role of its own, so that both are known where the file has a common precision as well.
    """

    columns: dict[str, list[Column]]
    notes: list[str] = field(default_factory=list)


def table_of(source: str, columns: Mapping[str, Array], **attributes: Any) -> Table:
    """A table of columns ``[E]`` that are in memory or mapped, by names that may hold units as ``x [nm]``."""
    arrays = list(columns.values())
    parsed = tuple(
        replace(parse_column(name, index), text=_kind(array) in {"U", "S", "O"})
        for index, (name, array) in enumerate(columns.items())
    )

    def parts(wanted: Sequence[Column]) -> Iterator[Sequence[Array]]:
        chosen = [arrays[column.index] for column in wanted]
        return ([array[start : start + ROWS] for array in chosen] for start in range(0, max(1, len(chosen[0])), ROWS))

    return Table(source, parsed, parts, **attributes)


def _kind(array: Any) -> str:
    return array.dtype.kind if isinstance(array, np.ndarray) else ""


def stated_unit(column: Column) -> str | None:
    """The unit that a column states, in brackets or in its name, in the spelling of the file."""
    return column.unit or names.parse_name(column.name)[1]


def roles_of(path: Path, table: Table, reading: Reading) -> Roles:
    """The columns of each role. ``--columns`` takes precedence over names.

    Raises:
        HollyError: There are no positions, or ``--columns`` names a column that the table lacks.
    """
    found, notes = _recognised(table)
    given = {role: [_given(path, table, role, name)] for role, name in asked(reading).items()}
    roles = found | given
    taken = {columns[0].index for role, columns in given.items() if role != "channel"}
    if "channel" not in given and "channel" in roles and roles["channel"][0].index in taken:
        del roles["channel"]
    if "x" not in roles or "y" not in roles:
        _refuse_words(path, table)
        if table.named:
            needs = "needs the columns x [nm] and y [nm], or --columns x=NAME,y=NAME"
        else:
            needs = "its columns have no names; assign them, such as --columns x=1,y=2,particle=3"
        raise HollyError(f"{path}: {needs}; found {listed(table.columns)}")
    return Roles(roles, [*([] if {"x", "y"} <= given.keys() else notes), *_repeated(table, roles, asked(reading))])


def _repeated(table: Table, roles: Mapping[str, Sequence[Column]], given: Mapping[str, str]) -> list[str]:
    """Notes about columns whose name others have too, unless ``--columns`` gives their number."""
    notes = []
    used = [(role, column) for role in ROLES for column in roles.get(role, ())]
    for role, column in used:
        same = [other for other in table.columns if _plain(str(other)) == _plain(str(column))]
        if len(same) > 1 and not given.get(role, "").isdecimal():
            notes.append(
                f"{len(same)} columns are named {column}; that in place {column.index + 1} was used "
                f"(--columns {role}=PLACE names another)."
            )
    return notes


def _refuse_words(path: Path, table: Table) -> None:
    """Refuse a table whose columns have the names of positions and hold words."""
    words = [column for column in table.columns if column.text]
    named = positions_in([replace(column, text=False) for column in table.columns]).values()
    for column in (one for one in words if replace(one, text=False) in named):
        cell = next((str(cell) for (part,) in table.parts([column]) for cell in part if str(cell).strip()), "")
        raise holds_text(path, column, cell)


def holds_text(path: Path, column: Column, cell: object) -> HollyError:
    """The refusal of a column of words, of which ``cell`` is one, where numbers are read."""
    return HollyError(
        f"{path}: column {column} holds text, such as {str(cell)[:LONGEST_LISTED]!r}; it must hold numbers, such as 1234.5, or --columns "
        "must name the column that does"
    )


def asked(reading: Reading) -> dict[str, str]:
    """The column that ``--columns`` names for each role, as the user wrote it.

    Raises:
        HollyError: The option is not of the form ``NAME=COLUMN,...``, or has an unknown name.
    """
    given = {}
    for item in (ITEM.findall(reading.columns) or [""]) if reading.columns is not None else ():
        role, _, name = (text.strip() for text in item.partition("="))
        if role not in ROLES or not name.strip('"'):
            raise HollyError(f"--columns {item.strip()}: must be NAME=COLUMN, where NAME is one of {', '.join(ROLES)}")
        given[role] = name.strip('"')
    return given


def find_named(columns: Sequence[Column], name: str) -> Column | None:
    """The column that a user means: by its whole name, by its name without a unit, or by its number from 1.

    A unit in brackets selects among columns of one name, and otherwise states the unit of the column.
    """
    whole = next((column for column in columns if _plain(str(column)) == _plain(name)), None)
    if whole is not None:
        return whole
    wanted = parse_column(name, 0)
    key = names.letters(wanted.name)
    same = sorted((column for column in columns if key and names.letters(column.name) == key), key=_rank)
    if not same and wanted.name.isdecimal() and 1 <= int(wanted.name) <= len(columns):
        same = [columns[int(wanted.name) - 1]]
    if not same or wanted.unit is None:
        return same[0] if same else None
    of_unit = (column for column in same if unit_word(stated_unit(column)) == unit_word(wanted.unit))
    return next(of_unit, replace(same[0], unit=wanted.unit))


def positions_in(columns: Sequence[Column]) -> dict[str, Column]:
    """Columns of x, y and perhaps z, by the names of any format: the best of several; nothing if there are none."""
    sets = _position_sets(columns)
    return sets[0] if sets else {}


def column_for(columns: Sequence[Column], known: Sequence[str]) -> Column | None:
    """The column, of numbers or of words, whose name comes first in a list of ``names``; None if there is none."""
    by_key = {names.parse_name(column.name)[0]: column for column in reversed(columns)}  # the first of several
    return next((by_key[key] for key in known if key in by_key), None)


def _given(path: Path, table: Table, role: str, name: str) -> Column:
    column = find_named(table.columns, name)
    if column is None:
        raise HollyError(f"--columns {role}={name}: {path} has no such column; found {listed(table.columns)}")
    return column


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _rank(column: Column) -> int:
    """Precedence of a column: 0 for one that states a length, 2 for one in pixels, 1 for others."""
    unit = unit_word(stated_unit(column))
    return 1 if unit is None else 2 if unit == PIXEL else 0


def _by_key(columns: Sequence[Column]) -> dict[str, list[Column]]:
    """Columns of numbers by the letters of their names without units, the best first."""
    found = defaultdict(list)
    for column in columns:
        if not column.text:
            found[names.parse_name(column.name)[0]].append(column)
    return {key: sorted(same, key=_rank) for key, same in found.items()}


def _position_sets(columns: Sequence[Column]) -> list[dict[str, Column]]:
    """Sets of columns of x, y and perhaps z, the best first: corrected before raw, lengths before pixels."""
    by_key = _by_key(columns)
    sets: list[tuple[tuple[bool, int], dict[str, Column]]] = []
    for raw, patterns in enumerate((names.CORRECTED, names.PLAIN)):
        for pattern in patterns:
            axes = {axis: by_key.get(pattern.format(axis), []) for axis in "xyz"}
            for rank in (0, 1, 2):
                own = {axis: next((c for c in axes[axis] if _rank(c) == rank), None) for axis in "xy"}
                if own["x"] and own["y"]:
                    found = {axis: column for axis, column in own.items() if column}
                    z = next((c for c in axes["z"] if _rank(c) == rank), None) or next(iter(axes["z"]), None)
                    sets.append(((bool(raw), rank), found | ({"z": z} if z else {})))
    sets.sort(key=lambda one: one[0])
    return [_with_z(found, by_key) for _, found in sets]


def _with_z(found: dict[str, Column], by_key: Mapping[str, list[Column]]) -> dict[str, Column]:
    """A set of x and y with a z that goes by another pattern of names, if that leaves no doubt about its unit."""
    if "z" in found:
        return found
    for pattern in (*names.CORRECTED, *names.PLAIN):
        for z in by_key.get(pattern.format("z"), []):
            # RainSTORM writes x_nm beside x_coord and z_coord: its z is in the unit of x_coord, whatever that is.
            siblings = pattern.format("x") in by_key
            if _rank(z) == 0 or not siblings or _rank(found["x"]) == _rank(z):
                return found | {"z": z}
    return found


def _recognised(table: Table) -> tuple[dict[str, list[Column]], list[str]]:
    by_key = _by_key(table.columns)
    sets = _position_sets(table.columns)
    roles = {axis: [column] for axis, column in sets[0].items()} if sets else {}
    named: dict[str, tuple[str, ...]] = {"particle": names.PARTICLE, "channel": names.CHANNEL, "frame": names.FRAME}
    for role, known in named.items():
        if column := column_for(table.columns, known):
            roles[role] = [column]
    # Camera counts are an intensity too, but no photons.
    photons = next((by_key[key][0] for key in names.PHOTONS if key in by_key), None)
    if photons and (photons.unit or "photon").lower().startswith("photon"):
        roles["photons"] = [photons]
    single = ([key] for key in names.LATERAL)
    along = [[pattern.format(axis) for axis in "xy"] for pattern in names.ALONG]
    axial = [[key] for key in (*names.AXIAL, *(pattern.format("z") for pattern in names.ALONG))]
    lateral = {"precision": [*single, *along], "precision_xy": along}
    for role, choices in (*lateral.items(), ("precision_z", axial)):
        keys = next((keys for keys in choices if all(key in by_key for key in keys)), [])
        if keys and (role in lateral or "z" in roles):
            roles[role] = [by_key[key][0] for key in keys]
    return roles, _choice(sets, by_key)


def _choice(sets: Sequence[Mapping[str, Column]], by_key: Mapping[str, list[Column]]) -> list[str]:
    """Notes about a table with several columns of positions."""
    notes = []
    if len(sets) > 1:
        others = dict.fromkeys(str(column) for one in sets[1:] for column in one.values())
        used = [str(column) for column in sets[0].values()]
        left = [name for name in others if name not in used] or used
        notes.append(f"Positions are from {enumerated(used)}, not from {enumerated(left)} (--columns overrides this).")
    if sets and "z" not in sets[0]:
        unused = [
            by_key[key][0] for pattern in (*names.CORRECTED, *names.PLAIN) if (key := pattern.format("z")) in by_key
        ]
        if unused:
            notes.append(
                f"{unused[0]} was not used: it states no unit and belongs to other columns than "
                f'{sets[0]["x"]} and {sets[0]["y"]}; --columns "z={unused[0]}[px]", or [nm], says its unit.'
            )
    return notes
