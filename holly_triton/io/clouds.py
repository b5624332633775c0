"""Point clouds in files: OBJ, PLY, XYZ, CloudCompare's text and CSV, read and written, each with its unit of length.

A new format is one row in ``FORMATS``: a suffix, a reader and a writer.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign, missing, replacing
from holly_triton.core.types import Array
from holly_triton.core.words import counted, part_of

from .channels import PointChannels
from .ply import read_ply, write_ply
from .text_table import Column, Header, read_columns, read_header, read_parts
from .units import NM_PER_UNIT, unit_word


class Parsed(NamedTuple):
    """What a file holds."""

    points: Array  # [N, 3] float64, in the file's own unit
    unit: str | None = None  # if the file states one
    channels: PointChannels | None = None


FEWEST_POINTS = 4
"""Three points always lie in a plane and are no 3D structure."""

LARGEST = 1e15
"""Largest coordinate: the squares of larger ones exceed float32."""

COUNT = re.compile(r"\s*[0-9]{1,18}\s*")
SAYS_UNIT = re.compile(r"(?:\bunits?[\s:=]*|[\[(])(nm|um|µm|μm|micron)s?\b", re.IGNORECASE)
"""``unit nm``, or ``[nm]`` behind a name."""
COMMENTS = ("#", "//")
"""Beginnings of lines that hold no point; CloudCompare names its columns in a line ``//X Y Z R G B``."""


@dataclass(frozen=True)
class Cloud:
    """A point cloud.

    Attributes:
        points: ``[N, 3]`` float64, nm.
        unit_nm: nm per unit of the file; 1 where the file states nm.
        source: Origin of the cloud.
        stated: Whether the file states its unit.
        notes: Sentences about the unit that was assumed where the file states none, or an option that was not used.
        channels: The channel of each point, where the file states it: PLY, or a table with a column ``channel``.
    """

    points: Array
    unit_nm: float
    source: str
    stated: bool = True
    notes: list[str] = field(default_factory=list)
    channels: PointChannels | None = None


def read_cloud(path: str | Path, unit_nm: float | None = None) -> Cloud:
    """Read a point cloud. A file that states no unit is taken to be in nm, and the notes say so.

    Points that occur twice are kept twice: meshes repeat vertices.

    Args:
        path: OBJ (vertices), PLY (ascii or binary), XYZ (``element x y z`` under a count, or plain
            ``x y z``), CloudCompare's text (a header ``//X Y Z``, a count, or both) or a table (with or without a
            header ``x,y,z``, which may state units as ``x [nm]``).
        unit_nm: nm per unit, for a file that states none; nm if not given.

    Raises:
        HollyError: There is no such file, its format is unknown, it is damaged, or it holds fewer than four points, NaN or
            infinity, or only points that are equal or collinear.
    """
    path = Path(path)
    if path.is_dir():
        raise HollyError(f"{path}: is a folder; give a cloud ({', '.join(FORMATS)})")
    if not path.is_file():
        raise missing(path, f"a cloud ({', '.join(FORMATS)})")
    points, unit, channels = _format(path).read(path)
    if len(points) < FEWEST_POINTS:
        raise HollyError(f"{path}: holds {counted(len(points), 'point')}; a cloud needs at least {FEWEST_POINTS}")
    fine = (np.abs(points) < LARGEST).all(axis=1)  # NaN is not
    if not fine.all():
        bad = part_of(int((~fine).sum()), len(points), "point", "{hold} NaN or infinity")
        raise HollyError(f"{path}: {bad}, or numbers above {LARGEST:g}; remove them")
    length, breadth, _ = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    if breadth <= 1e-6 * length:
        raise HollyError(f"{path}: its points are all equal or collinear, so that pictures do not determine its pose")
    scale = NM_PER_UNIT[unit_word(unit) or ""] if unit else unit_nm or 1.0
    return Cloud(points * scale, scale, str(path), unit is not None, _said_of_unit(path, unit, unit_nm), channels)


def _said_of_unit(path: Path, stated: str | None, unit_nm: float | None) -> list[str]:
    if stated is None and unit_nm is None:
        return [f"{path}: states no unit; nm was assumed (--unit-nm NM gives the nm per unit)."]
    if stated is None:
        return [f"{path}: states no unit; {unit_nm:g} nm a unit was used, as given."]
    return [] if unit_nm is None else [f"{path}: states its unit, {stated}, so --unit-nm was not used."]


def write_cloud(path: str | Path, points_nm: Array, channels: PointChannels | None = None) -> None:
    """Write points ``[N, 3]`` in nm in the format of the suffix, with a header that states the unit.

    The bytes depend only on the points. PLY is binary and exact; the others round to 1e-6 nm. The channels of the points are
    in PLY, with their colours, and in CSV.

    Raises:
        HollyError: The format is unknown, or the file cannot be written.
    """
    path = Path(path)
    write = _format(path).write
    with replacing(path) as partial:
        write(partial, np.asarray(points_nm, dtype=np.float64), channels)


def _digits(points: Array) -> str:
    """Format of a coordinate: to 1e-6 nm, with more digits where the structure is hardly larger than that."""
    return "%.6f" if np.ptp(points, axis=0).max(initial=0) >= 1 or not points.any() else "%.9e"


def _format(path: Path) -> "Format":
    known = FORMATS.get(path.suffix.lower())
    if known is None:
        raise HollyError(f"{path}: is not a cloud format that is known; those are {', '.join(FORMATS)}")
    return known


def _read_lines(path: Path) -> list[str]:
    # Comments may be in any encoding; a number that is not ASCII fails where numbers are read.
    with foreign(path, "text"):
        return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _numbers(path: Path, lines: Sequence[str], first: int) -> Array:
    """Three numbers of each line ``[N, 3]``, from word ``first`` on."""
    if not lines:
        return np.empty((0, 3))
    with foreign(path, "a point cloud"):
        return np.loadtxt(lines, usecols=range(first, first + 3), comments=None, ndmin=2)


def _unit_in(comments: Sequence[str]) -> str | None:
    match = SAYS_UNIT.search("\n".join(comments))
    return match[1].lower() if match else None


def _read_obj(path: Path) -> Parsed:
    lines = _read_lines(path)
    vertices = [line for line in lines if line.split(maxsplit=1)[:1] == ["v"]]
    return Parsed(_numbers(path, vertices, 1), _unit_in([line for line in lines if line.startswith("#")]))


def _write_obj(path: Path, points: Array, channels: PointChannels | None) -> None:
    np.savetxt(path, points, fmt=" ".join(["v", *3 * [_digits(points)]]), header="unit nm", comments="# ")


def _read_text(path: Path) -> Parsed:
    """Text of any dialect: rows of points or a table with a header, depending on its first line without ``#``."""
    first = next((line for line in _read_lines(path) if line.strip() and not line.startswith("#")), "")
    marked = first.startswith("//") or COUNT.fullmatch(first)
    cells = first.split()
    numbers_from = next((place for place, cell in enumerate(cells) if _is_number(cell)), None)
    if marked or (len(cells) >= 3 and numbers_from in (0, 1) and "," not in first and ";" not in first):
        return _read_rows(path)
    return _read_table(path)


def _read_rows(path: Path) -> Parsed:
    """Rows of points, each optionally after an element, below a count, comments or both."""
    lines = [line.strip() for line in _read_lines(path)]
    comments = [line for line in lines if line.startswith(COMMENTS)]
    lines = [line for line in lines if not line.startswith(COMMENTS)]
    if lines and COUNT.fullmatch(lines[0]):
        promised, lines = int(lines[0]), [line for line in lines[1:] if line]
        if len(lines) == promised + 1:  # XYZ has a line of text here, CloudCompare has none
            comments, lines = [*comments, lines[0]], lines[1:]
        if len(lines) != promised:
            raise HollyError(f"{path}: promises {counted(promised, 'point')} in its first line and holds {len(lines)}")
    rows = [line.replace(",", " ").replace(";", " ") for line in lines if line]
    has_element = bool(rows) and rows[0][0].isalpha()
    return Parsed(_numbers(path, rows, int(has_element)), _unit_in(comments))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _write_xyz(path: Path, points: Array, channels: PointChannels | None) -> None:
    # Viewers require an element and draw carbon as a plain sphere.
    np.savetxt(path, points, fmt=" ".join(["C", *3 * [_digits(points)]]), header=f"{len(points)}\nunit nm", comments="")


def _write_rows(path: Path, points: Array, channels: PointChannels | None) -> None:
    np.savetxt(path, points, fmt=_digits(points), header="X [nm] Y [nm] Z [nm]", comments="//")


def _read_table(path: Path) -> Parsed:
    header = read_header(path)
    columns = [header.find(name) for name in "xyz"] if header.named else list(header.columns[:3])
    chosen = [column for column in columns if column is not None]
    if len(chosen) < 3:
        raise HollyError(f"{path}: needs the columns x, y and z; found {header.found}")
    units = {unit_word(column.unit) or column.unit for column in chosen if header.named}
    if not units <= {None, *NM_PER_UNIT} or len(units) > 1:
        raise HollyError(f"{path}: x, y and z must share one unit, nm or um; found {header.found}")
    points, kind = read_columns(path, header, chosen), header.find("channel") if header.named else None
    return Parsed(points, units.pop() if units else None, None if kind is None else _read_channels(path, header, kind))


def _read_channels(path: Path, header: Header, column: Column) -> PointChannels:
    """The channels of a table, which may be numbers."""
    found = np.concatenate([part[0] for part in read_parts(path, header, [column])])
    return PointChannels.of_names(
        [value.strip() if isinstance(value, str) else f"{value:g}" for value in found.tolist()]
    )


def _write_csv(path: Path, points: Array, channels: PointChannels | None) -> None:
    table, formats, header = points, 3 * [_digits(points)], "x [nm],y [nm],z [nm]"
    if channels is not None:
        table, formats = np.column_stack([points.astype(object), channels.cells]), [*formats, "%s"]
        header += ",channel"
    np.savetxt(path, table, fmt=formats, delimiter=",", header=header, comments="", encoding="utf-8")


def _read_ply(path: Path) -> Parsed:
    points, comments, further = read_ply(path)
    channel = further.get("channel")
    return Parsed(points, _unit_in(comments), None if channel is None else PointChannels.of_ply(channel, comments))


def _write_ply(path: Path, points: Array, channels: PointChannels | None) -> None:
    write_ply(path, points, ["unit nm"], channels)


@dataclass(frozen=True)
class Format:
    """Reader and writer of a format."""

    read: Callable[[Path], Parsed]
    write: Callable[[Path, Array, PointChannels | None], None]


FORMATS = {
    ".obj": Format(_read_obj, _write_obj),
    ".ply": Format(_read_ply, _write_ply),
    ".xyz": Format(_read_text, _write_xyz),
    ".csv": Format(_read_text, _write_csv),
    ".asc": Format(_read_text, _write_rows),
    ".txt": Format(_read_text, _write_rows),
}
