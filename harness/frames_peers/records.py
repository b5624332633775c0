"""Rows of the comparison, in a table of values separated by commas."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from holly_triton.harness.rows import read_table, write_table


@dataclass(frozen=True)
class Row:
    """One program on one kind of frames, once as it comes and once with its filter."""

    program: str
    version: str
    frames_of: str
    """Which frames: simulated ones, by the name of the positions, or the challenge's."""
    photons: float
    background: float
    emitters: float
    """Mean of a frame."""
    frames: int
    scored: int
    """Emitters that are scored."""
    filtered: bool
    jaccard: float
    jaccard_inside: float
    """The same without what is near an edge, where some programs find nothing by their design."""
    precision: float
    rmse_lateral: float
    rmse_axial: float
    efficiency_3d: float
    frames_per_second: float
    options: str
    """What was tuned: options of the program, and limits of its columns."""
    offset_nm: str
    """That was taken off x, y and z."""
    started: str
    """When its run began; speeds of one run are of one state of the machine."""
    device: str
    commit: str


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a table, with the rounding that its figures deserve."""
    write_table(path, Row, rows, 5)


def read_rows(path: Path) -> list[Row]:
    """The rows of such a table."""
    return read_table(path, Row)
