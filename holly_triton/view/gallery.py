"""Sheets of small pictures: the particles that were picked from a field or ranked in a run, and the field itself.

Figures use only matplotlib's objects, not pyplot, whose state is shared by the whole process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter

from holly_triton.core.files import replacing
from holly_triton.core.types import Array

from . import round_length

if TYPE_CHECKING:
    from matplotlib.figure import Figure


DPI = 100
SHEET_PX, EDGE_PX, GAP_PX, CAPTION_PX, HEADING_PX, TITLE_PX = 1440, 30, 10, 22, 44, 84
"""Width of a sheet, its margins, the gaps between its pictures, and the strips for text, in pixels."""
FIELD_PX = 1600
"""Longer side of the picture of a field."""
PER_BLUR = 0.02
"""Blur of that picture, as a fraction of a circle's diameter, if that is more than a pixel."""
COLOURS = "inferno"
"""Uniformly increasing lightness, which is equally readable with any colour vision."""
BRIGHTEST = 0.995
"""The colours end at this quantile of the pixels above 0: otherwise one fiducial would leave all else black."""
PICKED, REJECTED = "#56b4e9", "#e69f00"
"""Blue and orange that are distinguishable with any colour vision (Okabe & Ito 2008)."""
PICKED_INK, REJECTED_INK, INK, FAINT = "#0072b2", "#b36b00", "#1a1a1a", "#555555"


@dataclass(frozen=True)
class Section:
    """Pictures under one heading: each ``[H, W]``, all of one shape, and a caption for each."""

    heading: str
    pictures: Sequence[Array]
    captions: Sequence[str]
    colour: str = INK


def draw_sheet(path: Path, title: str, explanation: str, sections: Sequence[Section], columns: int) -> None:
    """Write a PNG of sections one below the other, ``columns`` pictures per row, each scaled to its own maximum.

    Raises:
        HollyError: the file can't be written.
    """
    sections = [section for section in sections if len(section.pictures)]
    rows_of = [-(-len(section.pictures) // columns) for section in sections]
    height_px, width_px = sections[0].pictures[0].shape
    width = (SHEET_PX - 2 * EDGE_PX - (columns - 1) * GAP_PX) / columns
    height = width * height_px / width_px
    total = TITLE_PX + sum(HEADING_PX + rows * (height + CAPTION_PX + GAP_PX) for rows in rows_of) + GAP_PX
    figure = _figure(SHEET_PX, total)
    _write(figure, EDGE_PX, 40, title, 22, weight="bold")
    _write(figure, EDGE_PX, 68, explanation, 15, color=FAINT)
    top = float(TITLE_PX)
    for section, rows in zip(sections, rows_of, strict=True):
        _write(figure, EDGE_PX, top + 30, section.heading, 18, weight="bold", color=section.colour)
        top += HEADING_PX
        for index, (picture, caption) in enumerate(zip(section.pictures, section.captions, strict=True)):
            row, column = divmod(index, columns)
            left, upper = EDGE_PX + column * (width + GAP_PX), top + row * (height + CAPTION_PX + GAP_PX)
            axes = _axes(figure, left, upper, width, height)
            axes.imshow(picture, cmap=COLOURS, vmin=0, vmax=max(float(picture.max()), 1e-12), aspect="auto")
            _write(figure, left, upper + height + 16, caption, 13, color=FAINT)
        top += rows * (height + CAPTION_PX + GAP_PX)
    _save(figure, path)


def draw_field(path: Path, xy: Array, centre: Array, diameter: Array, picked: Array) -> None:
    """Write a PNG of a field as a density, with a circle about each candidate.

    Args:
        path: Name of the file, which ends in .png.
        xy: ``[E, 2]``, nm.
        centre: ``[C, 2]``, nm.
        diameter: Diameters of the circles ``[C]``, nm.
        picked: Whether each candidate was picked ``[C]``.

    Raises:
        HollyError: the file can't be written.
    """
    from matplotlib.collections import EllipseCollection
    from matplotlib.patches import Rectangle

    low, extent = xy.min(axis=0), np.ptp(xy, axis=0)
    pixel = float(extent.max()) / FIELD_PX
    width, height = (max(float(side) / pixel, 300.0) for side in extent)  # wide enough for the text
    figure = _figure(width + 2 * EDGE_PX, height + TITLE_PX + EDGE_PX)
    _write(figure, EDGE_PX, 40, f"Particles picked: {int(picked.sum())}", 22, weight="bold", color=PICKED_INK)
    _write(figure, EDGE_PX, 68, f"Candidates rejected: {int((~picked).sum())}", 16, color=REJECTED_INK)
    axes = _axes(figure, EDGE_PX, TITLE_PX, width, height)
    # Smoothed over a fraction of a particle: in a large picture, single localisations would be invisible dots.
    blur_px = max(1.0, PER_BLUR * float(np.median(diameter)) / pixel)
    density = density_picture(xy, low, pixel, (round(height), round(width)), blur_px)
    bright = float(np.quantile(density[density > 0], BRIGHTEST))
    box = (low[0], low[0] + width * pixel, low[1] + height * pixel, low[1])
    axes.imshow(np.sqrt(density), cmap="gray", vmin=0, vmax=bright**0.5, extent=box, aspect="auto")
    for which, colour, line in ((~picked, REJECTED, 0.6), (picked, PICKED, 1.1)):
        circles = EllipseCollection(
            diameter[which], diameter[which], np.zeros(int(which.sum())), units="xy", offsets=centre[which],
            offset_transform=axes.transData, facecolors="none", edgecolors=colour, linewidths=line,
        )  # fmt: skip
        axes.add_collection(circles, autolim=False)
    bar = round_length(0.2 * width * pixel)
    axes.add_patch(Rectangle((0.02, 0.02), bar / (width * pixel), 0.006, transform=axes.transAxes, color="white"))
    axes.text(0.02, 0.035, f"{bar:g} nm", transform=axes.transAxes, color="white", fontsize=12)
    _save(figure, path)


def density_picture(xy: Array, low: Array, pixel: float, shape: tuple[int, int], blur_px: float = 1.0) -> Array:
    """Localisations ``[E, 2]`` in each pixel ``[H, W]`` of a picture whose corner is at ``low``, blurred."""
    edges = [low[axis] + pixel * np.arange(shape[1 - axis] + 1) for axis in (1, 0)]
    counts = np.histogram2d(xy[:, 1], xy[:, 0], bins=edges)[0]
    blurred: Array = gaussian_filter(counts, blur_px)
    return blurred


def evenly(count: int, shown: int) -> Array:
    """Indices of at most ``shown`` of ``count`` items, evenly spaced."""
    return np.linspace(0, count - 1, min(shown, count)).astype(int)


def _figure(width_px: float, height_px: float) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_px / DPI, height_px / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _axes(figure: "Figure", left: float, top: float, width: float, height: float) -> Any:
    """Axes without ticks, positioned in pixels from the upper left corner."""
    across, down = figure.get_size_inches() * DPI
    axes = figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))
    axes.set_axis_off()
    return axes


def _write(figure: "Figure", x: float, y: float, text: str, size_px: float, **style: Any) -> None:
    across, down = figure.get_size_inches() * DPI
    style.setdefault("color", INK)
    figure.text(x / across, 1 - y / down, text, fontsize=size_px * 72 / DPI, parse_math=False, **style)


def _save(figure: "Figure", path: Path) -> None:
    with replacing(path) as partial:
        figure.savefig(partial, format="png")
