"""Rows of the comparison, in a table of values separated by commas."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from holly_triton.harness.rows import read_table, write_table


@dataclass(frozen=True)
class Row:
    """One program, one structure, one tomogram."""

    program: str
    version: str
    structure: str
    seed: int
    snr: float
    angle_deg: float
    rotations: int
    particles: int
    f1_oracle: float
    """At the threshold that maximises it."""
    f1_own: float
    """At the program's own threshold for one expected false positive."""
    picks_own: int
    """How many picks that are."""
    distance_a: float
    """Median distance of the matched picks from their particles, Å."""
    seconds: float
    """Processor time of one thread, all steps, without starting the program."""
    milliseconds_per_rotation: float
    device: str
    commit: str


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a table, with the rounding that its figures deserve."""
    write_table(path, Row, rows, 4)


def read_rows(path: Path) -> list[Row]:
    """The rows of such a table."""
    return read_table(path, Row)
