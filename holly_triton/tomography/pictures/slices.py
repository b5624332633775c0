"""Slices of a tomogram with the picks in them: x-y and x-z, where most of the picks lie."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from holly_triton.core.files import replacing
from holly_triton.core.types import Array
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.report.charts import new_figure
from holly_triton.tomography.config.pictures import BLACKEST, BLUR_ANGSTROM, DPI, PANEL_INCHES, SLAB_ANGSTROM
from holly_triton.tomography.config.scoring import Scoring
from holly_triton.tomography.score.matching import match
from holly_triton.view.page import round_length

from .marks import Mark, marks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AXES = "zyx"
GREY = "#555555"


@dataclass(frozen=True)
class Slab:
    """Several adjacent slices of a tomogram as one picture.

    Attributes:
        axis: The axis along which they are averaged: 0 for z, 1 for y.
        first: Their first index.
        last: The index after their last.
    """

    axis: int
    first: int
    last: int

    def picture(self, values: Array) -> Array:
        """Their mean ``[H, W]``; rows are y, or z where they are averaged along y."""
        part = values[self.first : self.last] if self.axis == 0 else values[:, self.first : self.last]
        return np.asarray(np.asarray(part, dtype=np.float32).mean(axis=self.axis))

    def holds(self, particles: ParticleList, voxel: float) -> Array:
        """Which particles have their centre in the slab ``[N]``."""
        along = particles.positions[:, 2 - self.axis] / voxel
        return np.asarray((along >= self.first - 0.5) & (along < self.last - 0.5))

    def places(self, particles: ParticleList, voxel: float) -> tuple[Array, Array]:
        """Columns and rows ``[N]`` of the picture, in its pixels."""
        return particles.positions[:, 0] / voxel, particles.positions[:, 1 if self.axis == 0 else 2] / voxel


def crowded_slab(shape: tuple[int, int, int], particles: ParticleList, voxel: float, axis: int) -> Slab:
    """The slab of ``SLAB_ANGSTROM`` with the most particles, the middle one where there are none.

    Args:
        shape: Of the tomogram, Z, Y, X.
        particles: Whose centres are counted.
        voxel: Side of a voxel, Å.
        axis: 0 for a picture in x and y, 1 for one in x and z.
    """
    size = shape[axis]
    thick = max(1, min(size, round(SLAB_ANGSTROM / voxel)))
    along = np.round(particles.positions[:, 2 - axis] / voxel)
    inside = along[np.isfinite(along) & (along >= 0) & (along < size)].astype(int)
    counts = np.convolve(np.bincount(inside, minlength=size), np.ones(thick, int), mode="valid")
    # Of equally full slabs the one nearest to the middle.
    starts = np.arange(len(counts))
    middle = np.abs(starts - (size - thick) / 2)
    first = int(np.lexsort((middle, -counts))[0])
    return Slab(axis, first, first + thick)


def draw_slices(
    path: Path,
    values: Array,
    voxel: float,
    picks: ParticleList,
    *,
    truth: ParticleList | None = None,
    tolerance: float = Scoring().tolerance_angstrom,
    title: str = "",
) -> None:
    """Write a PNG of two slabs with open marks at the picks and, where the truth is given, dots at the particles.

    Where only one of a matched pair lies in a slab, the other one is drawn as well, so that a mark without a dot is a false pick.

    Args:
        path: Its name.
        values: The tomogram ``[Z, Y, X]``.
        voxel: Side of a voxel, Å.
        picks: Of this tomogram.
        truth: Likewise.
        tolerance: Largest distance of a pick from its particle, Å.
        title: A line above.

    Raises:
        HollyError: The file can't be written.
    """
    shape = values.shape[0], values.shape[1], values.shape[2]
    most = picks if truth is None or len(picks) else truth
    marks = marks_of([*picks.classes, *(truth.classes if truth is not None else [])])
    slabs = [crowded_slab(shape, most, voxel, axis) for axis in (0, 1)]
    pictures = [slab.picture(values) for slab in slabs]
    ratios = [picture.shape[0] / picture.shape[1] for picture in pictures]
    width = PANEL_INCHES * 1.35
    figure = new_figure(width, PANEL_INCHES * sum(ratios) + 1.1, facecolor="white")
    grid = figure.subplots(2, 1, height_ratios=ratios)
    for axes, slab, picture in zip(grid, slabs, pictures, strict=True):
        _show(axes, picture, slab, voxel)
        shown = _shown(slab, picks, truth, voxel, tolerance)
        for particles, hollow in zip(shown, (True, False), strict=False):
            _mark(axes, slab, particles, marks, voxel, hollow=hollow)
    if title:
        figure.suptitle(title, fontsize=11)
    _legend(figure, marks, truth is not None)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)


def _shown(
    slab: Slab, picks: ParticleList, truth: ParticleList | None, voxel: float, tolerance: float
) -> list[ParticleList]:
    """The picks of a slab, and its particles where the truth is known, each with the partners of the others."""
    picked = slab.holds(picks, voxel)
    if truth is None:
        return [picks.take(picked)]
    there, pairs = slab.holds(truth, voxel), match(picks, truth, tolerance)
    either = picked[pairs.pick] | there[pairs.particle]
    picked[pairs.pick[either]] = there[pairs.particle[either]] = True
    return [picks.take(picked), truth.take(there)]


def _show(axes: "Axes", picture: Array, slab: Slab, voxel: float) -> None:
    from scipy.ndimage import gaussian_filter

    picture = gaussian_filter(picture, BLUR_ANGSTROM / voxel)
    dark, bright = np.quantile(picture, [BLACKEST, 1 - BLACKEST])
    axes.imshow(picture, cmap="gray", vmin=dark, vmax=max(bright, dark + 1e-12), origin="upper")
    axes.set_xticks([])
    axes.set_yticks([])
    down = "y" if slab.axis == 0 else "z"
    middle = (slab.first + slab.last - 1) / 2 * voxel
    axes.set_title(f"x to the right, {down} down; {AXES[slab.axis]} = {middle:.0f} Å, mean of {(slab.last - slab.first) * voxel:.0f} Å, smoothed", fontsize=9)  # fmt: skip
    height, width = picture.shape
    bar = round_length(width * voxel / 4)
    y = height - 1 - 0.05 * height
    axes.plot([0.03 * width, 0.03 * width + bar / voxel], [y, y], color="white", linewidth=4, solid_capstyle="butt")
    axes.plot([0.03 * width, 0.03 * width + bar / voxel], [y, y], color="black", linewidth=2, solid_capstyle="butt")
    axes.annotate(
        f"{bar / 10:g} nm", (0.03 * width, y), xytext=(0, 4), textcoords="offset points", fontsize=8, color="black",
        bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1},
    )  # fmt: skip
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)


def _mark(axes: "Axes", slab: Slab, particles: ParticleList, marks: dict[str, Mark], voxel: float, *, hollow: bool) -> None:  # fmt: skip
    from matplotlib.patheffects import withStroke

    for name, mark in marks.items():
        columns, rows = slab.places(particles.take(particles.labels == name), voxel)
        style: dict[str, Any] = {"marker": mark.shape, "linestyle": "", "color": mark.colour}
        if hollow:
            style |= {"markersize": 11, "fillstyle": "none", "markeredgewidth": 1.8}
            style["path_effects"] = [withStroke(linewidth=3.2, foreground="#000000aa")]
        else:
            style |= {"marker": "o", "markersize": 4.5, "markeredgecolor": "black", "markeredgewidth": 0.7}
        axes.plot(columns, rows, **style)


def _legend(figure: Any, marks: dict[str, Mark], with_truth: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], marker=mark.shape, linestyle="", color=mark.colour, fillstyle="none", markeredgewidth=1.8, label=name)
        for name, mark in marks.items()
    ]  # fmt: skip
    if with_truth:
        handles.append(Line2D([], [], marker="o", linestyle="", color=GREY, markersize=4.5, label="dot: true particle"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=8, frameon=False)
