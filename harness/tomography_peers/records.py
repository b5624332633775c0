"""Rows of the comparison, in a table of values separated by commas."""

import csv
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints


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


FIELDS = tuple(field.name for field in dataclasses.fields(Row))


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a table, with the rounding that its figures deserve."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FIELDS)
        for row in rows:
            values = dataclasses.astuple(row)
            writer.writerow([f"{value:.4g}" if isinstance(value, float) else value for value in values])


def read_rows(path: Path) -> list[Row]:
    """The rows of such a table."""
    kinds = get_type_hints(Row)
    with path.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    return [Row(**{name: kinds[name](text) for name, text in texts.items()}) for texts in rows]
