"""Whole fields of view among the files of a folder: their recognition, and their combination into one large field."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from holly_triton.core.types import Array
from holly_triton.core.words import counted

from .rows import Part, Rows, channels_of, notes_of, places_among

ONE_PARTICLE_NM = 1000.0
"""A field of view smaller than this holds one or a few particles; those of cameras are tens of thousands of nm wide."""
FIELD_NM, SURELY_FIELD_NM = 2 * ONE_PARTICLE_NM, 10 * ONE_PARTICLE_NM
"""Localisations that spread wider than the second are a field of view; than the first, if they lie in several clusters."""
BIN_NM = 150.0
"""Clusters are apart where a gap of one bin or more lies between them."""
WITHIN = (0.01, 0.99)
"""Quantiles between which a width is measured, so that outliers do not make a particle appear as a field."""
GAP_NM = 5000.0
"""Gap between fields that are placed side by side, wider than any particle that is picked, nm."""


def width_of(xy: Array) -> float:
    """The larger side of the range that holds 98 % of the positions ``[E, 2]`` along each axis, nm; 0 if there are none."""
    xy = xy[np.isfinite(xy).all(axis=1)]
    return float(np.diff(np.quantile(xy, WITHIN, axis=0), axis=0).max()) if len(xy) else 0.0


def is_field(xy: Array) -> bool:
    """Whether positions ``[E, 2]`` in nm are a whole field of view and not one particle.

    One particle is at most a few um wide, and most of its localisations are connected.
    """
    width = width_of(xy)
    if width < FIELD_NM or width > SURELY_FIELD_NM:
        return width > SURELY_FIELD_NM
    xy = xy[np.isfinite(xy).all(axis=1)]
    low, high = np.quantile(xy, WITHIN, axis=0)
    inner = xy[((xy >= low) & (xy <= high)).all(axis=1)]
    place = ((inner - low) / BIN_NM).astype(int)
    counts = np.zeros(place.max(axis=0) + 1, int)
    np.add.at(counts, tuple(place.T), 1)
    import scipy.ndimage  # takes a second, which no reader of a movie needs

    label, found = scipy.ndimage.label(counts > 0, structure=np.ones((3, 3)))
    held = scipy.ndimage.sum_labels(counts, label, np.arange(1, found + 1))
    return bool(held.max() < counts.sum() / 2)


def side_by_side(folder: Path, fields: Sequence[Rows]) -> Rows:
    """The fields of a folder as one: each is moved along x, so that they lie side by side with gaps between them."""
    wholes = [rows.whole() for rows in fields]
    roles = [role for role in fields[0].roles if role != "particle" and all(role in rows.roles for rows in fields)]
    moved = 0.0
    parts: list[Part] = []
    channels = channels_of(fields)
    for part, rows in zip(wholes, fields, strict=True):
        xyz = part.xyz[:, : 2 + ("z" in roles)].copy()
        placed = xyz[np.isfinite(xyz).all(axis=1), 0]
        if len(placed):
            xyz[:, 0] += moved - placed.min()
            moved += float(np.ptp(placed)) + GAP_NM
        kept = {name: getattr(part, name) if name in roles else None for name in Part._fields[1:]}
        if kept["channel"] is not None:
            kept["channel"] = places_among(channels, rows)(kept["channel"])
        parts.append(Part(xyz, **kept))
    notes = notes_of(fields)
    if len(fields) > 1:
        notes.append(f"The {len(fields)} files are fields of view: they were laid side by side along x.")
    source = f"folder of {counted(len(fields), 'file')}: {fields[0].source}"
    return Rows(folder, source, notes, _again(parts), roles)


def _again(parts: list[Part]) -> Callable[[], Iterator[Part]]:
    return lambda: iter(parts)
