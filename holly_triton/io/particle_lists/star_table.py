"""STAR files: blocks of tables, as RELION writes them, one row a line."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.types import Array

MISSING = "<NA>"
CELL = re.compile(r"'[^']*'|\"[^\"]*\"|\S+")


@dataclass
class StarTable:
    """One block: columns by name, without the underscore, of text."""

    names: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def words(self, name: str) -> list[str]:
        """The cells of a column."""
        place = self.names.index(name)
        return [row[place] for row in self.rows]

    def numbers(self, path: Path, name: str) -> Array:
        """The cells of a column as numbers ``[N]`` float64; ``<NA>``, as the library starfile writes it, is NaN.

        Raises:
            HollyError: One of them is none.
        """
        try:
            return np.array([cell.replace(MISSING, "nan") for cell in self.words(name)], dtype=np.float64)
        except ValueError as error:
            raise HollyError(f"{path}: its column {name} holds what is not a number ({str(error)[:100]})") from error


def read_star(path: Path) -> dict[str, StarTable]:
    """The blocks of a file by name; that of ``data_`` alone is ``""``.

    Raises:
        HollyError: The file has no block, or a row has more or fewer cells than there are columns.
    """
    blocks: dict[str, StarTable] = {}
    table, looped = StarTable(), False
    with foreign(path, "STAR"), path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            if text.startswith("data_"):
                table, looped = StarTable(), False
                blocks[text[5:].split()[0] if len(text) > 5 else ""] = table
            elif text.startswith("loop_"):
                looped = True
            elif not blocks:
                raise HollyError(f"{path}: line {number} is before any data_ block; it is not a STAR file")
            elif text.startswith("_") and not (looped and table.rows):
                _add_name(table, text, looped)
            else:
                cells = _cells(text)
                if len(cells) != len(table.names):
                    raise HollyError(
                        f"{path}: line {number} has {len(cells)} cells, and {len(table.names)} columns are named"
                    )
                table.rows.append(cells)
    if not blocks:
        raise HollyError(f"{path}: has no data_ block; it is not a STAR file, or is empty")
    return blocks


def _add_name(table: StarTable, text: str, looped: bool) -> None:
    """A column of a loop, or a name with its only value."""
    cells = _cells(text)
    table.names.append(cells[0][1:])
    if not looped:
        table.rows = [[*(table.rows[0] if table.rows else []), cells[1] if len(cells) > 1 else ""]]


def _cells(text: str) -> list[str]:
    if '"' not in text and "'" not in text:
        return text.split()
    return [cell[1:-1] if cell[0] in "'\"" and len(cell) > 1 and cell[-1] == cell[0] else cell for cell in CELL.findall(text)]  # fmt: skip


def star_text(name: str, columns: dict[str, list[str]]) -> str:
    """One block as text; cells with blanks or without characters are quoted."""
    head = f"data_{name}\n\nloop_\n" + "".join(f"_{column} #{place}\n" for place, column in enumerate(columns, start=1))
    rows = zip(*([_quoted(cell) for cell in column] for column in columns.values()), strict=True)
    return head + "".join(" ".join(row) + "\n" for row in rows) + "\n"


def _quoted(cell: str) -> str:
    cell = cell.replace('"', "_").replace("\n", "_")
    return cell if re.fullmatch(r"[^\s'#_][^\s']*", cell) else f'"{cell}"'
