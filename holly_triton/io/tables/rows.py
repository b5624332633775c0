"""The rows of any file of localisations, in nm: gone through part by part, so that a file may be larger than the memory."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from holly_triton.core.errors import HollyError
from holly_triton.io.text_table import Column

from .columns import Table, roles_of, unit_of
from .reading import Reading

Array = NDArray[Any]


class Part(NamedTuple):
    """Some rows of a file, one localisation each."""

    xyz: Array  # [E, 2] or [E, 3] float64: absolute positions, nm
    particle: Array | None = None  # [E]: number of the particle of each, below 0 or NaN for none
    photons: Array | None = None  # [E]
    precision: Array | None = None  # [E]: lateral localisation precision, nm
    frame: Array | None = None  # [E]


@dataclass(frozen=True)
class Rows:
    """Localisations of one file.

    Attributes:
        path: For messages.
        source: The format, in words.
        notes: What was skipped and why, what was assumed.
        parts: Goes through them, as often as asked.
        roles: What the file has columns for, of ``columns.ROLES``.
        names: Of the particles 0, 1, ...; None where their numbers are their names.
        prefix: Of names that are numbers.
        every: Of so many particles, or localisations without particles, one is kept.
        count: How many there are in all, if the file says so before they are read; else 0.
    """

    path: Path
    source: str
    notes: list[str]
    parts: Callable[[], Iterator[Part]]
    roles: Collection[str]
    names: Sequence[str] | None = None
    prefix: str = ""
    every: int = 1
    count: int = 0

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


def rows_of(path: Path, table: Table, reading: Reading, most: int | None = None) -> Rows:
    """Localisations in nm from the columns of a table.

    Args:
        path: For messages.
        table: What the reader found.
        reading: What the user says of it.
        most: Keep about so many rows, of every k-th particle or, without particles, every k-th row; None keeps all.

    Raises:
        HollyError: no positions, an unknown unit, or pixels whose size nobody said.
    """
    roles = roles_of(path, table, reading)
    wanted = dict.fromkeys(column for columns in roles.values() for column in columns)
    scale, notes = _scales(path, table, roles, reading)
    step = max(1, table.rows // most) if most else 1

    def parts() -> Iterator[Part]:
        seen = 0
        for arrays in table.parts([*wanted]):
            part = dict(zip(wanted, arrays, strict=True))
            if step > 1:
                number = part[roles["particle"][0]] if "particle" in roles else np.arange(seen, seen + len(arrays[0]))
                with np.errstate(invalid="ignore"):  # no number is that of no particle
                    kept = number % step == 0
                part = {column: values[kept] for column, values in part.items()}
            seen += len(arrays[0])
            yield _part({role: _values([part[c] for c in columns], scale.get(role)) for role, columns in roles.items()})

    if step > 1:
        kind = "particle" if "particle" in roles else "localisation"
        notes.append(f"The file is large: figures are from every {step}th {kind}.")
    return Rows(path, table.source, [*table.notes, *notes], parts, roles.keys(), every=step, count=table.rows)


def _part(values: dict[str, Array]) -> Part:
    axes = [values.pop(axis) for axis in "xyz" if axis in values]
    return Part(np.stack(axes, axis=1), **values)


def _values(arrays: list[Array], scale: float | None) -> Array:
    """One column, or the root mean square of two; float64 nm where it is a length."""
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is dropped later
        values = arrays[0] if len(arrays) == 1 else np.sqrt(np.mean(np.square(arrays), axis=0))
        return values if scale is None else values.astype(np.float64) * scale


def _scales(
    path: Path, table: Table, roles: Mapping[str, list[Column]], reading: Reading
) -> tuple[dict[str, float], list[str]]:
    """Length in nm of the unit of each column that is a length, and what to say about it."""
    known = reading if reading.pixel_size_nm else replace(reading, pixel_size_nm=table.pixel_nm)
    first = unit_of(roles["x"][0])
    units = {role: unit_of(roles[role][0]) or first for role in ("x", "y", "z", "precision") if role in roles}
    notes = reading.notes(first)
    if table.pixel_nm and reading.pixel_size_nm and not np.isclose(table.pixel_nm, reading.pixel_size_nm, rtol=1e-3):
        notes.append(
            f"--pixel-size {reading.pixel_size_nm:g} nm was used, though the file says {table.pixel_nm:.6g} nm."
        )
    try:
        return {role: known.nm_per(unit, path) for role, unit in units.items()}, notes
    except HollyError as error:
        why = f" ({' '.join(table.notes)})" if table.notes else ""
        raise HollyError(f"{error}{why}") from error
