"""Which column of a table holds what, in which unit, whatever file it came from."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from holly_triton.core.errors import HollyError
from holly_triton.io.text_table import Column, find_column, listed, parse_column

from .reading import Reading

Array = NDArray[Any]

POSITION = (
    "{0}nm", "{0}_nm", "{0}", "position {0}", "position_{0}", "{0}_position", "{0}_um", "{0}pix", "{0}_pix", "{0}_px"
)  # fmt: skip
"""Names of a coordinate in the order in which they count: SMAP files hold both nm and pixels."""
UNIT_IN_NAME = re.compile(r"[xyz]_?(nm|um|px|pix)(?:err)?")
SYNONYMS = {
    "pix": "px", "nanometer": "nm", "nanometre": "nm", "micrometer": "um", "micrometre": "um", "meter": "m", "metre": "m",
}  # fmt: skip

PARTICLE = (
    "particle", "group", "cluster", "id_particle", "particle_id", "particle_index", "cluster_id", "cluster_label"
)  # fmt: skip
PHOTONS = ("photons", "intensity", "phot", "number photons", "n_photons", "nphotons", "photon_count")
PRECISION = (
    ("uncertainty_xy",), ("uncertainty",), ("precision",), ("lpx", "lpy"), ("locprecnm",), ("xnmerr", "ynmerr"),
    ("localization_precision",), ("uncertainty_x", "uncertainty_y"),
)  # fmt: skip
"""One column, or one along x and one along y. Not ``sigma``, which is the width of the PSF."""
FRAME = ("frame", "frames", "frame_ix", "first frame", "frame number", "image number", "imagenumber")
ROWS = 2**17
"""Rows that are read at a time: some MiB, whatever the file's size."""
ROLES = ("x", "y", "z", "particle", "photons", "precision", "frame")
"""What ``--columns`` can name."""


@dataclass(frozen=True)
class Table:
    """What a reader makes of a file.

    Attributes:
        source: The format, in words.
        columns: What the file holds, by the file's own names in lower case.
        parts: Reads some columns, as often as asked: yields the rows part by part, each an array ``[rows of the part]`` a
            column; at least one part, though it be empty.
        rows: How many there are, if the file says so before they are read; else 0.
        pixel_nm: Side of a camera pixel, nm, if the file says so.
        named: False if the columns have only numbers, from 1.
        notes: What was skipped and why.
    """

    source: str
    columns: tuple[Column, ...]
    parts: Callable[[Sequence[Column]], Iterator[Sequence[Array]]]
    rows: int = 0
    pixel_nm: float | None = None
    named: bool = True
    notes: list[str] = field(default_factory=list)


def table_of(source: str, columns: Mapping[str, Array], **attributes: Any) -> Table:
    """A table of columns ``[E]`` that are in memory or mapped, by names that may hold units as ``x [nm]``."""
    arrays = list(columns.values())
    parsed = tuple(parse_column(name, index) for index, name in enumerate(columns))

    def parts(wanted: Sequence[Column]) -> Iterator[Sequence[Array]]:
        chosen = [arrays[column.index] for column in wanted]
        return ([array[start : start + ROWS] for array in chosen] for start in range(0, max(1, len(chosen[0])), ROWS))

    return Table(source, parsed, parts, **attributes)


def roles_of(path: Path, table: Table, reading: Reading) -> dict[str, list[Column]]:
    """What holds what; two columns where the precision differs along x and y. --columns goes before what names tell."""
    roles = _recognised(table) | _as_told(path, table, reading)
    if "x" not in roles or "y" not in roles:
        if table.named:
            needs = "needs the columns x [nm] and y [nm], or --columns x=NAME,y=NAME"
        else:
            needs = "its columns have no names; say which is which, such as --columns x=1,y=2,particle=3"
        raise HollyError(f"{path}: {needs}; found {listed(table.columns)}")
    return roles


def positions_in(columns: Sequence[Column]) -> dict[str, Column]:
    """Columns of x, y and perhaps z, by the names of any format; nothing if there are none."""
    for name in POSITION:
        axes = {axis: find_column(columns, name.format(axis)) for axis in "xyz"}
        if axes["x"] and axes["y"]:
            return {axis: column for axis, column in axes.items() if column}
    return {}


def _recognised(table: Table) -> dict[str, list[Column]]:
    roles = {axis: [column] for axis, column in positions_in(table.columns).items()}
    for role, names in (("particle", PARTICLE), ("photons", PHOTONS), ("frame", FRAME)):
        column = find_column(table.columns, *names)
        # Camera counts are an intensity too, but no photons.
        if column and (role != "photons" or (column.unit or "photon").lower().startswith("photon")):
            roles[role] = [column]
    for pair in PRECISION:
        columns = [find_column(table.columns, name) for name in pair]
        if all(columns):
            roles["precision"] = [column for column in columns if column]
            break
    return roles


def _as_told(path: Path, table: Table, reading: Reading) -> dict[str, list[Column]]:
    roles: dict[str, list[Column]] = {}
    for item in (reading.columns or "").split(",") if reading.columns is not None else ():
        role, _, name = (text.strip() for text in item.partition("="))
        if role not in ROLES or not name:
            raise HollyError(f"--columns {item.strip()}: must be NAME=COLUMN, where NAME is one of {', '.join(ROLES)}")
        column = find_column(table.columns, name.lower(), parse_column(name, 0).name)
        if column is None and name.isdecimal() and 1 <= int(name) <= len(table.columns):
            column = table.columns[int(name) - 1]
        if column is None:
            raise HollyError(f"--columns {item.strip()}: {path} has no such column; found {listed(table.columns)}")
        roles[role] = [column]
    return roles


def unit_of(column: Column) -> str | None:
    """The unit that a column states, in brackets or in its name."""
    named = UNIT_IN_NAME.fullmatch(column.name)
    unit = column.unit or (named[1] if named else None)
    return unit and SYNONYMS.get(unit.strip().lower(), unit.strip())
