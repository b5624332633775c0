"""The pictures of a field by which what was picked and what was rejected can be judged."""

from pathlib import Path

import numpy as np

from holly_triton.core.types import Array
from holly_triton.view.gallery import PICKED_INK, REJECTED_INK, Section, density_picture, draw_sheet, evenly

from .candidates import Candidates

COLUMNS, SHOWN, SHOWN_REJECTED = 8, 40, 16
"""Pictures per row of the gallery, and the most picked and rejected candidates that it shows."""
TILE_PX, TILE_PER_CIRCLE = 64, 1.3
"""Side of one of its pictures, in pixels and as a multiple of the diameter of the circle."""


def draw_gallery(path: Path, xy: Array, found: Candidates) -> None:
    """Some of the particles and, below, some of the rejected candidates, all at one scale."""
    side = TILE_PER_CIRCLE * found.circle_nm
    sections = []
    for which, name, shown, colour in (
        (found.picked, "picked", SHOWN, PICKED_INK), (~found.picked, "rejected", SHOWN_REJECTED, REJECTED_INK),
    ):  # fmt: skip
        rows = np.flatnonzero(which)
        # Of the rejected candidates those with most localisations are shown: most others are small clusters.
        some = rows[evenly(len(rows), shown)] if name == "picked" else rows[np.argsort(-found.count[rows])[:shown]]
        sections.append(
            Section(
                f"{len(rows)} {name}" + (f", {len(some)} of them shown" if len(some) < len(rows) else ""),
                [_tile(xy, found.centre[row], side) for row in some],
                [f"{found.diameter[row]:.0f} nm, {found.count[row]} {found.why[row]}" for row in some],
                colour,
            )
        )
    explanation = f"Each picture is {side:.0f} nm wide. Below: diameter, localisations, and why it was rejected."
    draw_sheet(path, "Particles of the field", explanation, sections, COLUMNS)


def _tile(xy: Array, centre: Array, side: float) -> Array:
    near = xy[(np.abs(xy - centre) < side).all(axis=1)]
    return density_picture(near, centre - side / 2, side / TILE_PX, (TILE_PX, TILE_PX))
