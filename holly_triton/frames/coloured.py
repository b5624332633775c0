"""A picture that compares localisations with the truth, with z as colour: whole fields, and a part enlarged."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from holly_triton.core.files import replacing
from holly_triton.core.types import Array
from holly_triton.report.charts import new_figure
from holly_triton.view.page import round_length

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXEL_NM = 10.0
BLUR_PX = 0.7
BRIGHTEST = 0.99
"""Quantile of the pixels above 0 that is fully bright."""
GAMMA = 0.5
"""Exponent of the brightness, below 1, so that single localisations are seen beside many."""
DEPTHS = "turbo"
COLOURS = (0.08, 0.92)
"""Part of the map that is used: its ends are dark."""
PART_NM = 1500.0
"""Side of the part that is enlarged."""
DPI = 120


class Shown(NamedTuple):
    """What a row of the picture shows."""

    corner_nm: tuple[float, float]
    """x and y of the upper left corner."""
    sides_nm: tuple[float, float]


def write_comparison(
    path: Path, frames: tuple[Array, Array], pixel_nm: float, tables: tuple[Array, Array], z_range_nm: tuple[float, float],
    head: str,
) -> None:  # fmt: skip
    """Write a PNG: camera, truth and localisations side by side, and below them a part enlarged.

    Args:
        path: Its name.
        frames: A single frame of the movie ``[H, W]``, and the mean of all of them.
        pixel_nm: Side of a camera pixel, nm.
        tables: The true emitters, and the localisations, with the fields x, y, z (nm).
        z_range_nm: Depths at the ends of the colours.
        head: Title.

    Raises:
        HollyError: The file can't be written.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    height, width = (side * pixel_nm for side in frames[0].shape)
    part = min(PART_NM, width, height)
    rows = Shown((0, 0), (width, height)), Shown(crowded_corner(tables[0], part, (width, height)), (part, part))
    figure = new_figure(13.2, 8.6, facecolor="white")
    grid = figure.subplots(2, 3)
    names = ("one frame of the camera", "mean of all frames")
    for axes, shown, frame, name in zip(grid, rows, frames, names, strict=True):
        left, top = shown.corner_nm
        axes[0].imshow(frame, cmap="gray", extent=(0, width, height, 0), interpolation="nearest")
        axes[0].set_title(name, fontsize=11)
        pictures = coloured(tables, shown, z_range_nm)
        for panel, picture, word in zip(axes[1:], pictures, ("true emitters", "localisations"), strict=True):
            panel.imshow(picture, extent=(left, left + shown.sides_nm[0], top + shown.sides_nm[1], top))
            panel.set_title(word, fontsize=11)
        for panel in axes:
            _finish(panel, shown)
    for panel in grid[0]:
        x, y = rows[1].corner_nm
        panel.plot([x, x + part, x + part, x, x], [y, y, y + part, y + part, y], color="white", linewidth=1)
    bar = figure.colorbar(
        ScalarMappable(Normalize(*z_range_nm), ListedColormap(_colours(np.linspace(0, 1, 256)))),
        ax=grid.ravel().tolist(), shrink=0.6, aspect=40,
    )  # fmt: skip
    bar.set_label("z, nm")
    figure.suptitle(head, fontsize=12)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)


def coloured(tables: tuple[Array, ...], shown: Shown, z_range_nm: tuple[float, float]) -> list[Array]:
    """Tables as pictures ``[H, W, 3]`` of 10 nm pixels on black: brightness is the density, on one scale, colour the mean z."""
    drawn = [_densities(table, shown, z_range_nm) for table in tables]
    bright = np.concatenate([density[density > 0] for density, _ in drawn])
    most = float(np.quantile(bright, BRIGHTEST)) if len(bright) else 1.0
    pictures = []
    for density, weighed in drawn:
        hue = weighed / np.maximum(density, 1e-9)[..., None]
        pictures.append(hue * (np.clip(density / most, 0, 1) ** GAMMA)[..., None])
    return pictures


def crowded_corner(table: Array, part_nm: float, sides_nm: tuple[float, float]) -> tuple[float, float]:
    """Upper left corner (x, y), nm, of the square of this side that holds the most positions."""
    step = part_nm / 3
    bins = [max(1, int(side // step)) for side in sides_nm]
    ranges = [(0, number * step) for number in bins]
    counts, _, _ = np.histogram2d(table["x"], table["y"], bins=bins, range=ranges)
    sums = np.pad(counts.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    wide, high = (min(3, number) for number in bins)
    around = sums[wide:, high:] - sums[:-wide, high:] - sums[wide:, :-high] + sums[:-wide, :-high]
    x, y = np.unravel_index(int(around.argmax()), around.shape)
    return float(x) * step, float(y) * step


def _densities(table: Array, shown: Shown, z_range_nm: tuple[float, float]) -> tuple[Array, Array]:
    """Density ``[H, W]`` of a table's positions, and the sum of their colours ``[H, W, 3]``, both blurred."""
    from scipy.ndimage import gaussian_filter

    (left, top), (width, height) = shown
    bins = round(height / PIXEL_NM), round(width / PIXEL_NM)
    column, row = ((table[axis] - edge) // PIXEL_NM for axis, edge in (("x", left), ("y", top)))
    inside = (row >= 0) & (row < bins[0]) & (column >= 0) & (column < bins[1])
    place = (row[inside] * bins[1] + column[inside]).astype(int)
    low, high = z_range_nm
    colours = _colours(np.clip((table["z"][inside] - low) / (high - low), 0, 1))
    layers = [np.ones(len(place)), *colours.T]
    sums = [np.bincount(place, layer, minlength=bins[0] * bins[1]).reshape(bins) for layer in layers]
    density, *weighed = (gaussian_filter(layer, BLUR_PX) for layer in sums)
    return density, np.stack(weighed, axis=-1)


def _colours(share: Array) -> Array:
    """Colours ``[N, 3]`` of depths ``[N]``, as shares of the range."""
    from matplotlib import colormaps

    low, high = COLOURS
    return np.asarray(colormaps[DEPTHS](low + (high - low) * share))[:, :3]


def _finish(axes: "Axes", shown: Shown) -> None:
    """The limits, and a scale bar."""
    (left, top), (width, height) = shown
    axes.set_xlim(left, left + width)
    axes.set_ylim(top + height, top)
    axes.set_xticks([])
    axes.set_yticks([])
    length = round_length(width / 4)
    x, y = left + 0.05 * width, top + 0.95 * height
    axes.plot([x, x + length], [y, y], color="white", linewidth=3, solid_capstyle="butt")
    words = f"{length / 1000:g} µm" if length >= 1000 else f"{length:g} nm"
    axes.text(x, y - 0.025 * height, words, color="white", fontsize=9)
