"""Tables in text: ThunderSTORM, Nanoimager, Elyra, rapidSTORM, and plain ones with or without names."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from holly_triton.io.text_table import Column, Header, read_header, read_parts

from .columns import Table

Array = NDArray[Any]

LARGEST_HELD = 2**28
"""Bytes of a text, or of a folder, whose numbers are kept for a second look: to take text apart is slow."""
SOURCE = "table of localisations"
RAPIDSTORM = "# <localizations"
RAPIDSTORM_NAMES = {"Position-0-0": "x", "Position-1-0": "y", "Position-2-0": "z", "ImageNumber-0-0": "frame"}


def read_csv(path: Path) -> Table:
    """The columns of a table in text, read only when asked for.

    Raises:
        HollyError: damaged text; when columns are asked for, also cells that hold no numbers.
    """
    header = read_header(path)
    source = SOURCE if header.named else "table without column names"
    notes = ["Numbers are written with decimal commas."] if header.decimal_comma else []
    if header.comment.startswith(RAPIDSTORM):
        header, source = replace(header, columns=_rapidstorm_columns(header.comment), named=True), "rapidSTORM table"

    large = path.stat().st_size > LARGEST_HELD

    @cache
    def held(columns: tuple[Column, ...]) -> list[Array]:
        return [*read_parts(path, header, columns)]

    def parts(columns: Sequence[Column]) -> Iterator[Sequence[Array]]:
        return ([*rows.T] for rows in (read_parts(path, header, columns) if large else held(tuple(columns))))

    return Table(source, header.columns if header.named else _numbered(header), parts, named=header.named, notes=notes)


def _numbered(header: Header) -> tuple[Column, ...]:
    return tuple(Column(str(column.index + 1), None, column.index) for column in header.columns)


def _rapidstorm_columns(comment: str) -> tuple[Column, ...]:
    """Names and units from the markup in which rapidSTORM describes its columns."""
    columns = []
    for index, markup in enumerate(re.findall(r"<field\b[^<>]*>", comment)):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', markup))
        identifier = attributes.get("identifier", "")
        columns.append(Column(RAPIDSTORM_NAMES.get(identifier, identifier.lower()), attributes.get("unit"), index))
    return tuple(columns)
