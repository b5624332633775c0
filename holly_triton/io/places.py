"""Rows of a table whose position can't be used: it is no number, or beyond any that could be meant."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from holly_triton.core.types import Array
from holly_triton.core.words import part_of


@dataclass
class Misplaced:
    """Counts of such rows, over all parts of a table.

    Attributes:
        largest: Largest coordinate that is used.
        unit: Of coordinates, in words.
        blank: Rows of which a coordinate is not finite.
        far: Rows of which a coordinate is finite and above ``largest``.
        first: Number of the first of those in the table, from 1, and that coordinate.
    """

    largest: float
    unit: str
    blank: int = 0
    far: int = 0
    first: tuple[int, float] | None = None

    def usable(self, positions: Array, counted: Array | None = None, *, before: int = 0) -> Array:
        """Which rows ``[E]`` of a part have a position that can be used.

        Args:
            positions: ``[E, 2]`` or ``[E, 3]``.
            counted: Rows of which the others are counted ``[E]``; None counts all.
            before: Rows of the parts before.
        """
        usable = has_place(positions, self.largest)
        lost = np.flatnonzero(~usable if counted is None else counted & ~usable)
        far = lost[np.isfinite(positions[lost]).all(axis=1)]
        self.blank += len(lost) - len(far)
        self.far += len(far)
        if len(far) and self.first is None:
            row = positions[far[0]]
            self.first = before + int(far[0]) + 1, float(row[np.abs(row).argmax()])
        return usable


def has_place(positions: Array, largest: float) -> Array:
    """Which rows ``[E]`` have finite coordinates up to ``largest``."""
    near = np.ones(len(positions), dtype=bool)
    for along in positions.T:  # much faster than numpy's reduction of short rows
        near &= np.abs(along) <= largest  # not met by NaN
    return near


def misplaced_words(files: Sequence[Misplaced], rows: int, one: str, left: str, *, numbered: bool) -> list[str]:
    """Sentences about such rows of some files together.

    Args:
        files: Counts of each.
        rows: Of how many rows they are.
        one: The noun for a row.
        left: What became of them, in a word.
        numbered: Whether places of rows are those in a file.
    """
    blank, far = sum(file.blank for file in files), sum(file.far for file in files)
    said = [part_of(blank, rows, one, f"{{have}} no finite position and {{were}} {left}.")] if blank else []
    if far:
        file = next(file for file in files if file.first is not None)
        row, value = file.first or (0, 0.0)
        where = f"row {row}: " if numbered else "such as "
        far_away = f"{{have}} a coordinate beyond {file.largest:g}{file.unit} ({where}{value:g}{file.unit}) and {{were}} {left}; "
        said.append(part_of(far, rows, one, f"{far_away}check that value and the unit."))
    return said
