"""Tables of localisations and truths from any file, in nm from the outer corner of the first pixel, frames counted from 1.

Programs differ in three conventions that a table seldom states. Picasso and storm-analysis count pixel centres as whole
numbers, so that half a pixel is added; they count frames from 0, as DECODE does; and the challenge's own tables may come
without a header. What was assumed is said in the notes.
"""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from holly_triton.core.errors import HollyError, InsufficientError
from holly_triton.core.types import Array
from holly_triton.frames.localisations import localisations
from holly_triton.io.tables.columns import Table, positions_in, stated_unit
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.rows import OF_PICASSO, Part, rows_of
from holly_triton.io.tables.table import read_table
from holly_triton.io.text_table import listed
from holly_triton.io.units import NM_PER_UNIT, unit_word

CENTRED = ("Picasso HDF5", "storm-analysis HDF5")
"""Formats, by the beginning of their name, whose positions are whole numbers at the centres of pixels."""
CENTRED_FROM_ONE = "Insight3"
"""Formats whose first pixel has its centre at 1."""


class Order(NamedTuple):
    """An order of columns without names."""

    words: str
    columns: str
    """As ``--columns`` writes it."""
    whole: tuple[int, ...]
    """The columns, from 0, that hold whole numbers."""
    xy: tuple[int, int]
    """Those that hold x and y, which are rarely all whole."""
    most: float
    """Largest number of columns: others may follow."""

    @property
    def fewest(self) -> int:
        """Smallest number of columns."""
        return self.words.count(",") + 1


ORDERS = (
    Order("id, frame, x, y, z, photons", "frame=2,x=3[nm],y=4[nm],z=5[nm],photons=6", (0, 1), (2, 3), float("inf")),
    Order("id, x, y, z, frame, photons", "frame=5,x=2[nm],y=3[nm],z=4[nm],photons=6", (0, 4), (1, 2), float("inf")),
    Order("frame, x, y, z, photons", "frame=1,x=2[nm],y=3[nm],z=4[nm],photons=5", (0,), (1, 2), 5),
)
"""Orders of the challenge's tables: the truth, the tables of its oracle, and results."""
SAMPLE = 1000
"""Rows that are looked at to find the order."""
HEADER = "add a first line such as frame,x [nm],y [nm],z [nm],photons"
SMALL = 1 / 30
"""Positions that all lie within this share of the field are suspected of another unit."""
FIELD_SHARE = (0.2, 1.3)
"""Share of the field that positions take up if a suspected unit is right."""


@dataclass(frozen=True)
class Read:
    """A table as it was read.

    Attributes:
        table: Of ``localisations.KIND`` ``[N]``.
        notes: Sentences about what was assumed or left out.
        pixel_nm: Side of a camera pixel, nm, if the file states it.
    """

    table: Array
    notes: list[str]
    pixel_nm: float | None = None


def read_localisations(path: Path, *, unit: str | None = None, pixel_nm: float | None = None) -> Read:
    """Read a table of localisations: ThunderSTORM, Picasso, the challenge's, our own, and others that ``train`` reads.

    Args:
        path: The file. One that holds a header and no rows is an empty table.
        unit: Of positions in a file that states none; None means nm.
        pixel_nm: Side of a camera pixel, for positions in pixels.

    Raises:
        HollyError: The file is missing, damaged, or of an unknown format; it has no positions; or positions are in pixels
            whose size is not known.
        InsufficientError: It has no frames.
    """
    return _read(Path(path), Reading(unit=unit, pixel_size_nm=pixel_nm), "localisations")


def read_truth(path: Path, *, unit: str | None = None, pixel_nm: float | None = None) -> Read:
    """Read the true emitters, as ``frames simulate`` and the challenge write them; arguments and errors as above."""
    return _read(Path(path), Reading(unit=unit, pixel_size_nm=pixel_nm), "emitters")


def settings_beside(truth: Path) -> dict[str, float]:
    """The field and the pixel that the ``settings.toml`` of a simulation states, as names of ``Scoring``.

    ``frames simulate`` writes it beside the truth, with ``field_nm = [width, height]`` and ``pixel_nm``.

    Args:
        truth: The table of emitters. Without such a file beside it nothing is given.

    Raises:
        HollyError: The file is damaged.
    """
    path = Path(truth).with_name("settings.toml")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise HollyError(f"{path}: cannot be read as TOML ({error}); mend it, or move it away") from error
    field = table.get("field_nm")
    sides = field if isinstance(field, list) and len(field) == 2 else (None, None)
    stated = dict(zip(("width_nm", "height_nm", "pixel_nm"), (*sides, table.get("pixel_nm")), strict=True))
    return {name: float(length) for name, length in stated.items() if isinstance(length, int | float) and length > 0}


def check_units(
    path: Path, table: Array, *, width_nm: float, height_nm: float, pixel_nm: float, border_nm: float
) -> None:
    """Refuse positions that are far too small for nm and fit the field in another unit.

    Raises:
        HollyError: They are in um, pixels or m, as far as the field shows.
    """
    x, y = (np.abs(table[axis][np.isfinite(table[axis])]) for axis in "xy")
    if len(x) == 0 or len(y) == 0:
        return
    share = max(float(x.max()) / width_nm, float(y.max()) / height_nm)
    unscored = max(float(x.max()), float(y.max())) <= border_nm
    if share > SMALL or not (unscored or len(x) >= SAMPLE // 100):
        return
    scales = {
        "um": NM_PER_UNIT["um"],
        f"pixels of {pixel_nm:g} nm": pixel_nm,
        "m": NM_PER_UNIT["m"],
        "mm": NM_PER_UNIT["mm"],
    }
    low, high = FIELD_SHARE
    fits = [unit for unit, scale in scales.items() if low <= share * scale <= high]
    if fits:
        extent = f"{float(x.max()):.4g} x {float(y.max()):.4g}"
        word = "px --pixel-size NM" if fits[0].startswith("pixels") else fits[0]
        raise HollyError(
            f"{path}: its positions reach only {extent}, so that they are in {fits[0]} and not in nm if the field is "
            f"{width_nm:g} x {height_nm:g} nm; convert them to nm, or remove the unit from the header and give --unit {word}"
        )


def _read(path: Path, reading: Reading, what: str) -> Read:
    if path.is_dir() or not path.is_file():
        raise HollyError(f"{path}: is no file; give one table of {what}")
    table = read_table(path, reading)
    notes: list[str] = []
    if not table.named:
        order = _order_of(path, table)
        reading = replace(reading, columns=order.columns)
        notes.append(f"Its columns have no names; they were read as {order.words}.")
    elif not {"x", "y"} <= positions_in(table.columns).keys():
        raise HollyError(f"{path}: needs columns of positions; {HEADER}; found {listed(table.columns)}")
    rows = rows_of(path, table, reading)
    if "frame" not in rows.roles:
        raise InsufficientError(f"{path}: needs a column of frames; {HEADER}; found {listed(table.columns)}")
    part = rows.whole()
    centred = rows.source.startswith(CENTRED) or OF_PICASSO in rows.notes
    pixel = _pixel_nm(table, reading)
    offset = 0.5 if centred else -0.5 if rows.source.startswith(CENTRED_FROM_ONE) else 0.0
    if offset and pixel is not None:
        part = part._replace(xyz=part.xyz + offset * np.array([pixel, pixel, 0.0])[: part.xyz.shape[1]])
        change = "added to" if offset > 0 else "subtracted from"
        notes.append(f"Its whole numbers are centres of pixels: half a pixel of {pixel:g} nm was {change} x and y.")
    notes += [*_unit_note(table, reading), *rows.said]
    found = _table(path, part, notes)
    _count_from_one(found, centred or rows.from_zero, notes)
    return Read(found, notes, pixel)


def _order_of(path: Path, table: Table) -> Order:
    """The order of unnamed columns, by which of them hold whole numbers.

    Raises:
        HollyError: They are in none of ``ORDERS``.
    """
    first = next((part for part in table.parts(table.columns) if len(part[0])), ())
    columns = [np.asarray(column[:SAMPLE]) for column in first]
    whole = [column.dtype.kind in "fiub" and bool((np.mod(column, 1) == 0).all()) for column in columns]
    fitting = [
        order for order in ORDERS if order.fewest <= len(columns) <= order.most and all(whole[i] for i in order.whole)
    ]
    likely = [order for order in fitting if not all(whole[i] for i in order.xy)]
    likely += [order for order in fitting if len(columns) == order.fewest]  # positions may be whole nm
    if likely:
        return likely[0]
    raise HollyError(
        f"{path}: its {len(table.columns)} columns have no names, and are in no order of the challenge's tables "
        f"({'; '.join(order.words for order in ORDERS)}); {HEADER}"
    )


def _pixel_nm(table: Table, reading: Reading) -> float | None:
    """Side of a camera pixel, where it is known and the same along x and y."""
    sizes = np.unique(np.ravel(reading.pixel_size_nm or table.pixel_nm or []))
    return float(sizes[0]) if len(sizes) == 1 else None


def _unit_note(table: Table, reading: Reading) -> list[str]:
    columns = positions_in(table.columns)
    stated = stated_unit(columns["x"]) if columns else None
    unit = unit_word(stated or table.xy_unit) or reading.unit
    return [f"Its positions are in {unit} and were converted to nm."] if unit not in (None, "nm") else []


def _table(path: Path, part: Part, notes: list[str]) -> Array:
    """Rows as ``localisations.KIND``, without those that have no position or no frame."""
    frame = np.asarray(part.frame, dtype=np.float64)
    sound = np.isfinite(part.xyz[:, :2]).all(axis=1) & np.isfinite(frame) & (np.abs(frame) < 2**53)
    if not sound.all():
        notes.append(f"{int((~sound).sum())} of {len(sound)} rows have no finite position or frame and were left out.")
    if (np.mod(frame[sound], 1) != 0).any():
        raise HollyError(f"{path}: its frames are not whole numbers; is another column named frame?")
    found = localisations(int(sound.sum()))
    found["frame"] = frame[sound]
    for axis, values in zip("xyz", part.xyz[sound].T, strict=False):
        found[axis] = values
    if part.photons is not None:
        found["photons"] = part.photons[sound]
    lateral = part.precision_xy if part.precision_xy is not None else part.precision
    if lateral is not None:
        both = lateral[sound].T  # of both axes, or of each
        found["sigma_x"], found["sigma_y"] = both if both.ndim == 2 else (both, both)
    if part.precision_z is not None:
        found["sigma_z"] = part.precision_z[sound]
    return found


def _count_from_one(table: Array, from_zero: bool, notes: list[str]) -> None:
    """Count frames from 1, where the format or a frame 0 shows that they are counted from 0."""
    if len(table) and (from_zero or table["frame"].min() == 0):
        table["frame"] += 1
        notes.append("Its frames are counted from 0: 1 was added to each.")
