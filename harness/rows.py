"""Tables of measured rows, one dataclass a row, in values separated by commas."""

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

Row = TypeVar("Row")


def write_table(path: Path, kind: type[Any], rows: Sequence[Any], digits: int) -> None:
    """Write rows of a dataclass, numbers with the digits that they deserve."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in dataclasses.fields(kind)])
        for row in rows:
            values = dataclasses.astuple(row)
            writer.writerow([f"{value:.{digits}g}" if isinstance(value, float) else value for value in values])


def read_table(path: Path, kind: type[Row]) -> list[Row]:
    """The rows of such a table."""
    kinds = get_type_hints(kind)
    with path.open(encoding="utf-8", newline="") as file:
        return [
            kind(**{name: text == "True" if kinds[name] is bool else kinds[name](text) for name, text in texts.items()})
            for texts in csv.DictReader(file)
        ]
