"""What some commands need of a file, so that no line which says what to do next names one that refuses it."""

from pathlib import Path

from holly_triton.core.errors import InsufficientError

LARGE = 2**22
"""Bytes of a table that surely holds enough localisations for a drift; it is not read for that."""


def enough_for_drift(table: Path, unit: str | None = None, pixel_nm: float | None = None) -> bool:
    """Whether a table holds localisations and frames enough for ``frames undrift``.

    Raises:
        HollyError: It cannot be read, or holds none.
    """
    from holly_triton.frames.config.drift import Drifting
    from holly_triton.frames.score.reading import read_localisations

    if table.stat().st_size > LARGE:
        return True
    found, settings = read_localisations(table, unit=unit, pixel_nm=pixel_nm).table, Drifting()
    if not len(found):
        raise InsufficientError(f"{table}: holds no localisation")
    return settings.segments(len(found), int(found["frame"].max(initial=1))) >= settings.fewest_segments


def is_read_as_list(picks: Path) -> bool:
    """Whether there is a list of particles that can be read: markers of ChimeraX are written only, and copick has a file a class."""
    from holly_triton.io.particle_lists.reading import is_list

    return is_list(picks) and picks.is_file()


def enough_for_an_average(picks: Path) -> bool:
    """Whether some class of a list has picks enough for ``tomo average``.

    Raises:
        HollyError: It cannot be read.
    """
    import numpy as np

    from holly_triton.io.particle_lists.reading import read_raw_list
    from holly_triton.tomography.config.averaging import FEWEST

    rows, _ = read_raw_list(picks).rows()
    labels = np.zeros(len(rows.positions)) if rows.labels is None else rows.labels
    return bool(np.unique(labels, return_counts=True)[1].max(initial=0) >= FEWEST)
