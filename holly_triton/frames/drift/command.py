"""The command ``frames undrift``: a table of localisations to one without drift, the drift, and a picture of it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from holly_triton.core.errors import HollyError, InsufficientError
from holly_triton.core.files import check_new
from holly_triton.core.log import LOG
from holly_triton.core.progress import in_parts
from holly_triton.core.types import Array
from holly_triton.core.words import counted
from holly_triton.frames.config.drift import Drifting
from holly_triton.frames.score.reading import read_localisations
from holly_triton.io.tables.writing import check_name, localisation_file

from .drift import Drift, find_drift
from .picture import draw_drift
from .walk import write_drift


class Undrifted(NamedTuple):
    """What was written, and what was found."""

    table: Path
    picture: Path
    drift: Drift
    said: list[str]


def undrift(
    path: Path, out: Path, *, frames: int | None = None, unit: str | None = None, pixel_nm: float | None = None,
    form: str | None = None, overwrite: bool = False, settings: Drifting | None = None,
) -> Undrifted:  # fmt: skip
    """Measure the drift of a table of localisations, and write the table without it.

    Args:
        path: The table, of any known format, with frames.
        out: The new one, ``.csv`` (ThunderSTORM) or ``.hdf5`` (Picasso). Beside it ``<out>-drift.csv`` and ``.png`` are
            written.
        frames: Frames of the movie; the last frame with a localisation if not given.
        unit: Of positions in a file that states none.
        pixel_nm: Side of a camera pixel, nm, for positions in pixels and for Picasso's format.
        form: Format of ``out``, where its suffix stands for several.
        overwrite: Replace existing files.
        settings: The defaults if not given.

    Raises:
        HollyError: The table can't be read, or a file exists or can't be written.
        InsufficientError: The table has no frames, or too few localisations.
    """
    course, picture = (out.with_name(f"{out.stem}-drift{suffix}") for suffix in (".csv", ".png"))
    check_name(out, form)
    if not overwrite:
        check_new(out, course, picture)
    with in_parts(3) as begin:
        begin(f"reading {path}")
        read = read_localisations(path, unit=unit, pixel_nm=pixel_nm)
        for note in read.notes:
            LOG.info("%s: %s", path, note)
        pixel_nm = pixel_nm or read.pixel_nm
        if out.suffix.lower() == ".hdf5" and pixel_nm is None:
            raise HollyError(
                f"{out}: Picasso's positions are in pixels, whose size {path} does not state; give --pixel-size NM"
            )
        table = read.table
        last = int(table["frame"].max(initial=1))
        if frames is not None and frames < last:
            raise HollyError(
                f"{path}: has localisations up to frame {last}; --frames must be at least that, not {frames}"
            )
        frames = frames or last
        begin(f"correlating segments of {counted(len(table), 'localisation')}")
        try:
            drift = find_drift(table, frames, settings)
        except InsufficientError as error:
            raise InsufficientError(f"{path}: {error}") from None
        begin("writing")
        _write(out, drift.taken_from(table), pixel_nm or 1.0, frames, form)
        write_drift(course, drift.path)
        draw_drift(picture, drift, f"{path.name}: {counted(len(table), 'localisation')} in {counted(frames, 'frame')}")
    return Undrifted(out, picture, drift, [_in_words(drift)])


def _write(out: Path, table: Array, pixel_nm: float, frames: int, form: str | None) -> None:
    flat = not np.isfinite(table["z"]).all()
    height, width = (int(max(0, table[axis].max()) / pixel_nm) + 1 for axis in "yx")
    with localisation_file(out, pixel_nm, (frames, height, width), form=form, flat=flat) as append:
        append(_with_width(table) if flat else table)


def _with_width(table: Array) -> Array:
    """The table with the column of widths that a table in 2D has, whose values are not known here."""
    wide = np.empty(len(table), dtype=[*table.dtype.descr, ("width", np.float64)])
    wide["width"] = np.nan
    for name in table.dtype.names or ():
        wide[name] = table[name]
    return wide


def _in_words(drift: Drift) -> str:
    known = "xyz" if drift.path[:, 2].any() else "xy"
    figures = ", ".join(
        f"{axis} {rms:.1f} nm (error {error:.1f})"
        for axis, rms, error in zip(known, drift.rms, drift.error, strict=False)
    )
    corrected = [axis for axis, significant in zip(known, drift.axes, strict=False) if significant]
    verdict = f"corrected along {', '.join(corrected)}" if corrected else "not corrected, since it is within its error"
    return f"Drift, root mean square: {figures}; {verdict}."
