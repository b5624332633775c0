"""Rows of the comparison, in a table of values separated by commas."""

import csv
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints


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


FIELDS = tuple(field.name for field in dataclasses.fields(Row))


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a table, with the rounding that its figures deserve."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FIELDS)
        for row in rows:
            values = dataclasses.astuple(row)
            writer.writerow([f"{value:.5g}" if isinstance(value, float) else value for value in values])


def read_rows(path: Path) -> list[Row]:
    """The rows of such a table."""
    kinds = get_type_hints(Row)
    rows = []
    with path.open(encoding="utf-8", newline="") as file:
        for texts in csv.DictReader(file):
            values: dict[str, Any] = {
                name: text == "True" if kinds[name] is bool else kinds[name](text) for name, text in texts.items()
            }
            rows.append(Row(**values))
    return rows
