"""The rows of any file of localisations, in nm: read in parts, so that a file may be larger than the memory."""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.io.text_table import Column
from holly_triton.io.units import PIXEL, unit_word

from . import names
from .columns import Roles, Table, holds_text, roles_of, stated_unit
from .reading import Reading
from .selection import MOST_CHANNELS, Counts, Selection, channel_codes, selection_notes, selection_of, strings

OF_PICASSO = "Its columns are those of Picasso, whose x and y are in pixels (--unit nm overrides this)."

FROM_ZERO = ("Picasso HDF5", "storm-analysis HDF5", "DECODE HDF5")
"""Formats whose first frame is 0."""


class Part(NamedTuple):
    """Some rows of a file, one localisation each."""

    xyz: Array  # [E, 2] or [E, 3] float64: absolute positions, nm
    particle: Array | None = None  # [E]: number of the particle of each, below 0 or NaN for none
    photons: Array | None = None  # [E]
    precision: Array | None = None  # [E]: lateral localisation precision, nm
    frame: Array | None = None  # [E]
    precision_z: Array | None = None  # [E]: axial localisation precision, nm
    precision_xy: Array | None = None  # [E, 2]: precision along x and along y, nm, where the file states both
    channel: Array | None = None  # [E]: place among the channels of ``Selection.counts``; NaN for none


@dataclass(frozen=True)
class Rows:
    """Localisations of one file.

    Attributes:
        path: For messages.
        source: The format, in words.
        notes: What was assumed, and what the file's reader skipped.
        parts: Iterates over the rows; may be called repeatedly.
        roles: Roles for which the file has columns, of ``columns.ROLES``.
        names: Names of the particles 0, 1, ...; None where the file states them.
        words: Where it names particles by words: the number of each, complete after one pass. None where it numbers them.
        prefix: Prefix of the names that the file states.
        every: One in this number of particles, or of localisations without particles, is kept.
        selection: Which rows are used.
    """

    path: Path
    source: str
    notes: list[str]
    parts: Callable[[], Iterator[Part]]
    roles: Collection[str]
    names: Sequence[str] | None = None
    words: dict[str, int] | None = None
    prefix: str = ""
    every: int = 1
    selection: Selection | None = None

    @property
    def said(self) -> list[str]:
        """Notes about the rows, complete after one pass over them."""
        return notes_of([self])

    @property
    def complete(self) -> bool:
        """Whether no row of the file was left out, known after one pass over them: then their places are those in the file."""
        counts = None if self.selection is None else self.selection.counts
        return self.every == 1 and (counts is None or counts.kept == counts.rows)

    @property
    def from_zero(self) -> bool:
        """Whether the format counts frames from 0."""
        return self.source.startswith(FROM_ZERO)

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return 2 + ("z" in self.roles)

    def whole(self) -> Part:
        """All of them, in memory."""
        columns = zip(*self.parts(), strict=True)
        joined: list[Any] = [None if same[0] is None else np.concatenate(same) for same in columns]
        return Part(*joined)

    def held(self) -> "Rows":
        """The same localisations, in memory."""
        whole = self.whole()
        return replace(self, parts=lambda: iter([whole]))

    def as_one(self, name: str) -> "Rows":
        """The same localisations as one particle."""

        def parts() -> Iterator[Part]:
            return (part._replace(particle=np.zeros(len(part.xyz), np.int64)) for part in self.parts())

        return replace(self, parts=parts, names=[name])


def notes_of(files: Sequence[Rows]) -> list[str]:
    """Notes about the rows of some files together, complete after one pass over them."""
    selections = [rows.selection for rows in files if rows.selection is not None]
    return [*selection_notes(selections), *dict.fromkeys(note for rows in files for note in rows.notes)]


def channels_of(files: Sequence[Rows]) -> tuple[str, ...]:
    """Names of the channels of some files, complete after one pass over them, numbers in their order.

    There are none where they are too many to be channels.
    """
    counts = [rows.selection.counts.channels for rows in files if rows.selection is not None and rows.selection.sorts]
    names = {name for channels in counts for name in channels}
    return tuple(sorted(names, key=_by_number)) if len(names) <= MOST_CHANNELS else ()


def places_among(channels: Sequence[str], file: Rows) -> Callable[[Array], Array]:
    """From the places of channels among those of a file ``[E]`` to those among all; NaN for none."""
    own = [] if file.selection is None else [*file.selection.counts.channels]
    place = np.array([channels.index(name) if name in channels else np.nan for name in own] + [np.nan])
    return lambda codes: place[np.where(np.isfinite(codes), codes, len(own)).astype(np.int64)]


def _by_number(name: str) -> tuple[float, str]:
    try:
        return float(name), name
    except ValueError:
        return math.inf, name


def rows_of(path: Path, table: Table, reading: Reading, most: int | None = None) -> Rows:
    """Localisations in nm from the columns of a table.

    Args:
        path: For messages.
        table: The table from the reader.
        reading: The user's information about it.
        most: Approximate number of rows to keep, of every k-th particle or, without particles, every k-th row; None keeps all.

    Raises:
        HollyError: There are no positions, the unit is unknown, or the size of pixels was not given.
    """
    roles = roles_of(path, table, reading)
    selection = selection_of(path, table, roles, reading)
    lengths, notes = _lengths(path, table, roles, reading)
    columns = {
        role: [column if role == "particle" else replace(column, text=False) for column in of]
        for role, of in roles.columns.items()
        if role != "channel" and (role in Part._fields or role in "xyz")
    }
    wanted = [*dict.fromkeys([*(column for of in columns.values() for column in of), *selection.columns])]
    named = next((column for column in columns.get("particle", ()) if column.text), None)
    words: dict[str, int] = {}
    step = max(1, table.rows // most) if most else 1

    def parts() -> Iterator[Part]:
        seen, counts = 0, Counts()
        for arrays in table.parts(wanted):
            part = dict(zip(wanted, arrays, strict=True))
            rows = len(arrays[0])
            kept = selection.keeps(part, rows, counts)
            if named is not None:
                part[named] = _numbered(part[named], words)
            if step > 1:
                number = part[columns["particle"][0]] if "particle" in columns else np.arange(seen, seen + rows)
                with np.errstate(invalid="ignore"):  # rows without a number belong to no particle
                    kept &= number % step == 0
            seen += rows
            if not kept.all():
                part = {column: values[kept] for column, values in part.items()}
            values = {role: _values(path, part, of, lengths.get(role)) for role, of in columns.items()}
            joined = {role: _joined(role, arrays) for role, arrays in values.items()}
            if selection.channel is not None and selection.sorts:
                joined["channel"] = channel_codes(part[selection.channel], counts.channels)
            yield _part(joined)
        selection.finish(counts)

    if step > 1:
        kind = "particle" if "particle" in columns else "localisation"
        notes.append(f"The file is large: figures are from every {step}th {kind}.")
    found = [*columns, *(["channel"] if selection.sorts else [])]
    known = None if named is None else words
    return Rows(path, table.source, [*table.notes, *notes], parts, found, words=known, every=step, selection=selection)


def _numbered(cells: Array, words: dict[str, int]) -> Array:
    """The place of each word ``[E]`` among all that were found, to which new ones are added; NaN for an empty cell."""
    unique, which = np.unique(np.char.strip(strings(cells)), return_inverse=True)
    places = [words.setdefault(word, len(words)) if word else np.nan for word in unique.tolist()]
    return np.array(places)[which]


def _part(values: dict[str, Array]) -> Part:
    axes = [values.pop(axis) for axis in "xyz" if axis in values]
    return Part(np.stack(axes, axis=1), **values)


def _joined(role: str, arrays: list[Array]) -> Array:
    """One column, or the root mean square of two; those of ``precision_xy`` side by side."""
    if role == "precision_xy":
        return np.stack(arrays, axis=1)
    with np.errstate(over="ignore", invalid="ignore"):  # values that are not finite are dropped later
        return arrays[0] if len(arrays) == 1 else np.sqrt(np.mean(np.square(arrays), axis=0))


def _values(path: Path, part: dict[Column, Array], columns: list[Column], lengths: list[float] | None) -> list[Array]:
    """The columns of a role; float64 nm where it is a length."""
    arrays = [part[column] for column in columns]
    for column, array in zip(columns, arrays, strict=True):
        if array.dtype.kind not in "fiub":
            raise holds_text(path, column, array[0] if len(array) else "")
    with np.errstate(over="ignore", invalid="ignore"):  # values that are not finite are dropped later
        if lengths is not None:
            arrays = [array.astype(np.float64) * nm for array, nm in zip(arrays, lengths, strict=True)]
    return arrays


def _lengths(path: Path, table: Table, roles: Roles, reading: Reading) -> tuple[dict[str, list[float]], list[str]]:
    """Length in nm of the unit of each column that is a length, and notes about it."""
    pixels = np.broadcast_to(np.asarray(reading.pixel_size_nm or table.pixel_nm or np.nan), 2).tolist()
    first = stated_unit(roles.columns["x"][0]) or table.xy_unit
    notes = [*roles.notes]
    if not first and not reading.unit and {column.name for column in table.columns} >= {*names.PICASSO}:
        first = PIXEL
        notes.append(OF_PICASSO)
    notes += reading.notes(first)
    if table.pixel_nm and reading.pixel_size_nm and not np.allclose(table.pixel_nm, reading.pixel_size_nm, rtol=1e-3):
        notes.append(
            f"--pixel-size {reading.pixel_size_nm:g} nm was used, though the file states {_sides(table.pixel_nm)} nm."
        )
    if table.pixel_nm and not first and not reading.unit:
        notes.append(
            f"The file states pixels of {_sides(table.pixel_nm)} nm: if positions are in pixels, give --unit px."
        )
    units = {"x": reading.unit_for(first, path)}
    for role, other in (("y", "x"), ("z", "x"), ("precision", "x"), ("precision_xy", "x"), ("precision_z", "z")):
        if role in roles.columns:
            units[role] = unit_word(stated_unit(roles.columns[role][0])) or units[other]
    if _is_height_in_nm(table, roles, units):
        units["z"] = "nm"
        if "precision_z" in units and not stated_unit(roles.columns["precision_z"][0]):
            units["precision_z"] = "nm"
        notes.append(
            f"z states no unit: nm was assumed, as in files of Picasso and DECODE, whose x and y alone are in pixels "
            f'(--columns "z={roles.columns["z"][0]}[px]" overrides this).'
        )
    try:
        lengths = {
            role: [
                replace(reading, pixel_size_nm=None if np.isnan(size) else size).nm_per(units[role], path)
                for _, size in zip(roles.columns[role], pixels if role != "y" else pixels[1:], strict=False)
            ]
            for role in units
        }
    except HollyError as error:
        said = [*table.notes, *(note for note in notes if note == OF_PICASSO)]
        why = f" ({' '.join(said)})" if said else ""
        raise HollyError(f"{error}{why}") from error
    return lengths, notes


def _sides(pixel_nm: float | tuple[float, float]) -> str:
    return " x ".join(f"{side:.6g}" for side in np.unique(pixel_nm))


def _is_height_in_nm(table: Table, roles: Roles, units: dict[str, str]) -> bool:
    """Whether z is in nm though x and y are in pixels: camera pixels do not define an axial scale."""
    if units.get("z") != PIXEL or units["x"] != PIXEL or table.one_unit:
        return False
    return unit_word(stated_unit(roles.columns["z"][0])) is None
