"""Averages: central slices and an isosurface of each, side by side."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from holly_triton.core.files import replacing
from holly_triton.core.log import LOG
from holly_triton.core.optional import MissingExtraError
from holly_triton.core.types import Array
from holly_triton.report.charts import new_figure
from holly_triton.tomography.config.pictures import DPI, SURFACE_DEVIATIONS, SURFACE_PX
from holly_triton.view.page import round_length
from holly_triton.view.scene import VIEWS
from holly_triton.view.surface import draw_surface

SLICES = ("x-y", "x-z", "y-z")


def draw_averages(path: Path, averages: Mapping[str, Array], voxel: float) -> None:
    """Write a PNG with a row for each density: its central slices, and its surface from the front and from the side.

    The surface is at ``SURFACE_DEVIATIONS`` standard deviations above the mean. Without pyvista it is left out, with a message.

    Args:
        path: Its name.
        averages: Densities ``[n, n, n]`` by name, larger in the particle; each row has its own scale of grey.
        voxel: Side of a voxel, Å.

    Raises:
        HollyError: The file can't be written.
    """
    surfaces = _surfaces(averages)
    columns = len(SLICES) + (len(next(iter(surfaces.values()))) if surfaces else 0)
    figure = new_figure(2.3 * columns, 2.35 * len(averages) + 0.3, facecolor="white")
    grid = figure.subplots(len(averages), columns, squeeze=False)
    for row, (name, density) in zip(grid, averages.items(), strict=True):
        for axes in row:
            axes.set_axis_off()
        dark, bright = np.quantile(density, [0.005, 0.998])
        for axes, plane, picture in zip(row, SLICES, _slices(density), strict=False):
            axes.imshow(picture, cmap="gray", vmin=dark, vmax=max(bright, dark + 1e-12))
            axes.set_title(f"{name}, {plane}" if plane == SLICES[0] else plane, fontsize=9, parse_math=False)
        size = density.shape[-1]
        bar = round_length(size * voxel / 2)
        row[0].plot([1, 1 + bar / voxel], [size - 2, size - 2], color="white", linewidth=3, solid_capstyle="butt")
        row[0].text(1, size - 3, f"{bar / 10:g} nm", color="white", fontsize=8, va="bottom")
        for axes, picture, view in zip(row[len(SLICES) :], surfaces.get(name, []), VIEWS, strict=False):
            axes.imshow(picture)
            axes.set_title(f"surface, {view.name.lower().partition(',')[0]}", fontsize=9)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)


def _slices(density: Array) -> list[Array]:
    depth, rows, columns = (size // 2 for size in density.shape)
    return [density[depth], density[:, rows], density[:, :, columns]]


def _surfaces(averages: Mapping[str, Array]) -> dict[str, list[Array]]:
    """Pictures of the surface of each density; empty without pyvista."""
    try:
        return {
            name: draw_surface(
                density, float(density.mean() + SURFACE_DEVIATIONS * density.std()), VIEWS[:2], SURFACE_PX
            )
            for name, density in averages.items()
        }
    except MissingExtraError as error:
        LOG.info("The pictures of averages have no surfaces: %s", error)
        return {}
