"""Tables in text: ThunderSTORM, Nanoimager, Elyra, DECODE, ViSP, rapidSTORM, and plain ones with or without names."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from holly_triton.core.types import Array
from holly_triton.io.text_table import Column, Header, parse_column, read_header, read_parts
from holly_triton.io.units import pixel_size_nm, unit_word

from .columns import Table
from .reading import Reading

LARGEST_HELD = 2**28
"""Largest size of a text, or of a folder, in bytes, whose numbers are kept for a second pass, since parsing text is slow."""
SOURCE = "table of localisations"
RAPIDSTORM = "# <localizations"
RAPIDSTORM_NAMES = {"Position-0-0": "x", "Position-1-0": "y", "Position-2-0": "z", "ImageNumber-0-0": "frame"}
VISP = {
    ".2d": ("x [nm]", "y [nm]", "intensity", "frame"),
    ".3d": ("x [nm]", "y [nm]", "z [nm]", "intensity", "frame"),
    ".2dlp": ("x [nm]", "y [nm]", "precision_x [nm]", "precision_y [nm]", "intensity", "frame"),
    ".3dlp": (
        "x [nm]", "y [nm]", "z [nm]", "precision_x [nm]", "precision_y [nm]", "precision_z [nm]", "intensity", "frame",
    ),
}  # fmt: skip
"""Columns of ViSP's tables, which have no header (El Beheiry & Dahan 2013); the last may be missing."""
UNIT = re.compile(r"#[\s\"']*(?:xy|positions?|coordinates?)?[ _-]*units?[\s:=\"']+(?P<unit>[^\s\"',;]+)", re.IGNORECASE)
PIXEL_SIZE = re.compile(
    r"(?:pixel|px)[ _-]*size[ _]*(?:[\[(]?(?P<named>[a-z\u00b5\u03bc]+)[\])]?)?[\s:=\"']+(?P<size>[0-9.]+(?:e-?[0-9]+)?)\s*(?P<unit>[a-z\u00b5\u03bc]*)",
    re.IGNORECASE,
)


def read_csv(path: Path, reading: Reading) -> Table:
    """The columns of a table in text, read on demand.

    Raises:
        HollyError: The text is damaged; when columns are read, also where cells hold no numbers.
    """
    header = read_header(path)
    source = SOURCE if header.named else "table without column names"
    notes = ["Numbers are written with decimal commas."] if header.decimal_comma else []
    comment = header.comments[-1] if header.comments else ""
    if comment.startswith(RAPIDSTORM):
        header, source = replace(header, columns=_rapidstorm_columns(comment), named=True), "rapidSTORM table"
    names = VISP.get(path.suffix.lower(), ())[: len(header.columns)]
    if not header.named and names and len(header.columns) == len(names):
        header, source = replace(header, columns=_columns(names), named=True), "ViSP table"
    unit, pixel_nm = _stated(header.comments)
    if unit:
        notes.append(f"Its comments state positions in {unit}.")

    large = path.stat().st_size > LARGEST_HELD

    @cache
    def held(columns: tuple[Column, ...]) -> list[list[Array]]:
        return [*read_parts(path, header, columns)]

    def parts(columns: Sequence[Column]) -> Iterator[Sequence[Array]]:
        return iter(read_parts(path, header, columns) if large else held(tuple(columns)))

    columns = header.columns if header.named else _numbered(header)
    return Table(source, columns, parts, named=header.named, notes=notes, xy_unit=unit, pixel_nm=pixel_nm)


def _numbered(header: Header) -> tuple[Column, ...]:
    return tuple(Column(str(column.index + 1), None, column.index) for column in header.columns)


def _columns(names: Sequence[str]) -> tuple[Column, ...]:
    return tuple(parse_column(name, index) for index, name in enumerate(names))


def _rapidstorm_columns(comment: str) -> tuple[Column, ...]:
    """Names and units from the markup of rapidSTORM's header."""
    columns = []
    for index, markup in enumerate(re.findall(r"<field\b[^<>]*>", comment)):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', markup))
        identifier = attributes.get("identifier", "")
        columns.append(Column(RAPIDSTORM_NAMES.get(identifier, identifier.lower()), attributes.get("unit"), index))
    return tuple(columns)


def _stated(comments: Sequence[str]) -> tuple[str | None, float | tuple[float, float] | None]:
    """The unit of x and y, and the side of a pixel in nm, as comments state them in JSON, as DECODE does, or in words."""
    unit, pixel_nm = None, None
    for comment in comments:
        facts = _json_in(comment)
        word = UNIT.match(comment)
        size = PIXEL_SIZE.search(comment)
        unit = unit or unit_word(str(facts.get("xy_unit"))) or (unit_word(word["unit"]) if word else None)
        pixel_nm = pixel_nm or _pixel_sides(facts.get("px_size"))
        if size and not facts:
            pixel_nm = pixel_nm or pixel_size_nm(_number(size["size"]), size["unit"] or size["named"])
    return unit, pixel_nm


def _json_in(comment: str) -> dict[str, Any]:
    try:
        found = json.loads(comment.lstrip("# "))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _pixel_sides(stated: object) -> float | tuple[float, float] | None:
    sides = [pixel_size_nm(side) for side in (stated if isinstance(stated, list) else [stated])]
    known = [side for side in sides if side is not None]
    if not known or len(known) < len(sides):
        return None
    return known[0] if len({*known}) == 1 else (known[0], known[1])


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
