"""Selection of the rows of a table: those of one channel, those that meet a condition, and none that a program rejected."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.core.words import counted, part_of, spanned
from holly_triton.io.text_table import Column, listed

from . import names
from .columns import Roles, Table, column_for, find_named
from .reading import Reading

MOST_CHANNELS = 16
"""Largest number of different values of a column of channels."""
CONDITION = re.compile(
    r"""(?P<column>"[^"]*"|'[^']*'|[^"'<>=!]+?)\s*(?P<relation><=|>=|!=|<>|==|=|<|>)\s*(?P<value>.*)"""
)
PARTED = re.compile(r"""\s+and\s+(?=(?:[^"']|"[^"]*"|'[^']*')*$)""", re.IGNORECASE)
"""The separator of two conditions, outside of quotes."""
RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": np.equal, "==": np.equal, "!=": np.not_equal, "<>": np.not_equal,
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
WORDS = {"true": 1.0, "false": 0.0}
FORM = '--where must be COLUMN = VALUE, with =, !=, <, <=, > or >=; several are joined by "and"'
REFUSED = ("false", "no", "0", "invalid", "rejected")
"""Values of a column of validity that mark a row as rejected."""


@dataclass(frozen=True)
class Condition:
    """One comparison of ``--where``."""

    column: Column
    relation: str
    value: str

    def keeps(self, values: Array) -> Array:
        """Which rows ``[E]`` pass; a number that is not finite passes ``!=`` alone.

        Raises:
            HollyError: Text is compared with a number, or by order.
        """
        compare = RELATIONS[self.relation]
        if values.dtype.kind in "USO":
            if compare not in (np.equal, np.not_equal):
                raise HollyError(
                    f"--where {self.column} {self.relation} {self.value}: holds text, which can only be compared by = and !="
                )
            return np.asarray(compare(_words(values), self.value.casefold()))
        try:
            number = WORDS[self.value.lower()] if self.value.lower() in WORDS else float(self.value)
        except ValueError:
            raise HollyError(f"--where {self.column} {self.relation} {self.value}: holds numbers, not text") from None
        with np.errstate(invalid="ignore"):
            return np.asarray(compare(values, number))


@dataclass
class Counts:
    """Result of a pass over all rows of a file, or of several."""

    rows: int = 0
    kept: int = 0
    channels: Counter[str] = field(default_factory=Counter)  # of all rows that meet the conditions
    files: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)  # by their mark
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)  # of the numbers in columns of conditions

    def widen(self, column: Column, values: Array) -> None:
        """Add the finite values of a part to the range of its column."""
        numbers = values[np.isfinite(values)] if values.dtype.kind in "fiu" else values[:0]
        if len(numbers):
            ends = float(numbers.min()), float(numbers.max())
            low, high = self.ranges.get(str(column), ends)
            self.ranges[str(column)] = min(low, ends[0]), max(high, ends[1])

    def add(self, other: "Counts") -> None:
        """Add the counts of another file."""
        self.rows, self.kept = self.rows + other.rows, self.kept + other.kept
        for name in ("channels", "files", "rejected"):
            getattr(self, name).update(getattr(other, name))


@dataclass
class Selection:
    """The selected rows of one file. ``counts`` are complete after one pass over all rows."""

    path: Path
    channel: Column | None = None
    wanted: str | None = None
    conditions: tuple[Condition, ...] = ()
    file: Column | None = None
    valid: Column | None = None
    rejects: bool = True  # whether channels whose names mark them as rejected are left out
    counts: Counts = field(default_factory=Counts)

    @property
    def columns(self) -> list[Column]:
        """The columns that it uses."""
        some = (self.channel, self.file, self.valid, *(condition.column for condition in self.conditions))
        return [column for column in some if column is not None]

    def keeps(self, part: Mapping[Column, Array], rows: int, counts: Counts) -> Array:
        """Which rows ``[E]`` of a part are selected; their counts are added."""
        kept = np.ones(rows, bool)
        counts.rows += rows
        for condition in self.conditions:
            kept &= condition.keeps(part[condition.column])
            counts.widen(condition.column, part[condition.column])
        if self.valid is not None:
            self._leave_out(
                kept, _refused(part[self.valid]), f"{self.valid} = {_shown_refused(part[self.valid])}", counts
            )
        if self.file is not None:
            counts.files.update(_tally(part[self.file][kept], counts.files))
        if self.channel is not None:
            values = part[self.channel]
            if self.rejects and values.dtype.kind in "USO":
                for word in np.unique(strings(values[kept])):
                    if names.REJECTED.search(str(word)):
                        self._leave_out(kept, strings(values) == word, f"{self.channel} = {word}", counts)
            counts.channels.update(_tally(values[kept], counts.channels))
            if self.wanted is not None:
                kept &= _of_channel(values, self.wanted)
        counts.kept += int(kept.sum())
        return kept

    @property
    def sorts(self) -> bool:
        """Whether rows of several channels are read, so that each has its own."""
        return self.channel is not None and self.wanted is None

    @staticmethod
    def _leave_out(kept: Array, refused: Array, mark: str, counts: Counts) -> None:
        if lost := int((kept & refused).sum()):
            counts.rejected[mark] += lost
            kept &= ~refused

    def finish(self, counts: Counts) -> None:
        """Store the counts of a pass over all rows.

        Raises:
            HollyError: There were rows, and none is selected.
        """
        self.counts = counts
        if counts.kept or not counts.rows:
            return
        if self.wanted is not None and counts.channels:
            raise HollyError(
                f"{self.path}: --channel {self.wanted} is none of its channels, {_listed(counts.channels)}"
            )
        if counts.rejected:
            mark = next(iter(counts.rejected))
            raise HollyError(
                f"{self.path}: all its localisations are marked as rejected ({mark}); to read them: --where '{mark}'"
            )
        ranges = ", ".join(f"{column} of {spanned(low, high, 'g')}" for column, (low, high) in counts.ranges.items())
        raise HollyError(
            f"{self.path}: --where keeps none of its {counted(counts.rows, 'localisation')}"
            + (f", which have {ranges}" if ranges else "; compare it with the values in that column")
        )


def selection_of(path: Path, table: Table, roles: Roles, reading: Reading) -> Selection:
    """The selection of a table's rows, by the user and by the table's own marks.

    Raises:
        HollyError: A condition or a channel needs a column that the table lacks.
    """
    conditions = parse_where(path, table, reading.where) if reading.where is not None else ()
    named = {condition.column for condition in conditions}
    channel = roles.columns["channel"][0] if "channel" in roles.columns else None
    if reading.channel is not None and channel is None:
        raise HollyError(
            f"{path}: --channel {reading.channel} needs a column of channels; name it with --columns channel=NAME; "
            f"found {listed(table.columns)}"
        )
    others = {column for role, columns in roles.columns.items() if role != "channel" for column in columns}
    valid, file = (column_for(table.columns, known) if table.named else None for known in (names.VALID, names.FILE))
    return Selection(
        path,
        channel=channel,
        wanted=reading.channel,
        conditions=conditions,
        file=None if file in named | others else file,
        valid=None if valid in named | others else valid,
        rejects=reading.channel is None and channel not in named,
    )


def parse_where(path: Path, table: Table, text: str) -> tuple[Condition, ...]:
    """Conditions such as ``uncertainty < 20 and channel = "Alexa 647"``, all of which a row must meet.

    Numbers are in the units of the file. Nothing is evaluated but comparisons of one column with one value.

    Raises:
        HollyError: The text has another form, or names a column that the table lacks.
    """
    conditions = []
    for item in PARTED.split(text):
        match = CONDITION.fullmatch(item.strip())
        if match is None or not match["value"].strip("\"' "):
            raise HollyError(f"--where {text}: {FORM}")
        name = match["column"].strip("\"' ")
        column = find_named(table.columns, name)
        if column is None:
            raise HollyError(f"--where {item.strip()}: {path} has no column {name}; found {listed(table.columns)}")
        conditions.append(Condition(column, match["relation"], match["value"].strip("\"' ")))
    return tuple(conditions)


def selection_notes(selections: Iterable[Selection]) -> list[str]:
    """Notes about the rows of some files together: those left out, and those pooled that may not belong together."""
    counts, notes = Counts(), []
    chosen = list(selections)
    for selection in chosen:
        counts.add(selection.counts)
    for mark, lost in counts.rejected.items():
        notes.append(
            part_of(lost, counts.rows, "localisation", "{are} marked as rejected ")
            + f"({mark}) and left out (a --where on that column overrides this)."
        )
    if any(selection.conditions or selection.wanted is not None for selection in chosen):
        options = "--where" if all(selection.wanted is None for selection in chosen) else "--channel"
        notes.append(f"{options} keeps {counts.kept} of {counted(counts.rows, 'localisation')}.")
    if all(selection.wanted is None for selection in chosen) and 1 < len(counts.channels) <= MOST_CHANNELS:
        column = next(selection.channel for selection in chosen if selection.channel)
        first = next(iter(sorted(counts.channels)))
        notes.append(
            f"Localisations of {len(counts.channels)} channels are read (column {column}: {_listed(counts.channels)}); "
            f"--channel {quote(first)} reads one alone."
        )
    unnamed = counts.kept - sum(counts.channels.values())
    if 0 < len(counts.channels) <= MOST_CHANNELS and all(selection.wanted is None for selection in chosen) and unnamed:
        notes.append(part_of(unnamed, counts.kept, "localisation", "{have} no channel (the cell is empty)."))
    if 1 < len(counts.files) <= MOST_CHANNELS:
        column = next(selection.file for selection in chosen if selection.file)
        notes.append(
            f"Localisations of {len(counts.files)} files are pooled (column {column}: {_listed(counts.files)}), which may "
            f"show other fields of view; --where {quote(f'{column} = {next(iter(sorted(counts.files)))}')} reads one alone."
        )
    return notes


def _tally(values: Array, known: Counter[str]) -> dict[str, int]:
    """Number of rows of each value, up to the number of values that shows that they are not channels."""
    if len(known) > MOST_CHANNELS:
        return {}
    found, often = np.unique(strings(values), return_counts=True)
    tally: Counter[str] = Counter()
    for value, count in zip(found, often, strict=True):
        if len(tally) > MOST_CHANNELS:
            break
        if name := _named(value):
            tally[name] += int(count)
    return tally


def channel_codes(values: Array, known: Iterable[str]) -> Array:
    """Place of each row's channel among those that are known ``[E]``; NaN for none."""
    place = {name: code for code, name in enumerate(known)}
    if len(place) > MOST_CHANNELS:
        return np.full(len(values), np.nan)
    found, inverse = np.unique(strings(values), return_inverse=True)
    codes = np.array([place.get(_named(value), np.nan) for value in found], dtype=np.float64)
    return np.asarray(codes[inverse])


def _named(value: Any) -> str:
    """The name of a channel in words; empty where a cell holds none."""
    if isinstance(value, str):
        return value.strip()
    return f"{value:g}" if np.isfinite(value) else ""


def _of_channel(values: Array, wanted: str) -> Array:
    if values.dtype.kind in "USO":
        return np.asarray(_words(values) == wanted.strip().casefold())
    try:
        return np.asarray(values == float(wanted))
    except ValueError:
        return np.zeros(len(values), bool)


def _refused(values: Array) -> Array:
    return np.isin(_words(values), REFUSED) if values.dtype.kind in "USO" else np.asarray(values == 0)


def _shown_refused(values: Array) -> str:
    return "false" if values.dtype.kind in "USOb" else "0"


def strings(values: Array) -> Array:
    """Text ``[E]`` of any type as str; numbers as they are."""
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    return values.astype(str) if values.dtype.kind in "UO" else values


def _words(values: Array) -> Array:
    return np.array([word.strip().casefold() for word in strings(values)], dtype=str)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(counts.items())[:MOST_CHANNELS])
