"""Curves: Fourier shell correlation, and figures over the threshold of the score."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from holly_triton.core.files import replacing
from holly_triton.core.types import Array
from holly_triton.report.charts import new_figure
from holly_triton.tomography.config.pictures import DPI
from holly_triton.tomography.score.counts import Curve
from holly_triton.view.colours import CATEGORIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, GREY = CATEGORIES[6], CATEGORIES[0], CATEGORIES[2], "#555555"
STYLES = ("-", "--", "-.", ":")
THRESHOLD = 0.143


class Shells(NamedTuple):
    """A Fourier shell correlation to draw."""

    frequency: Array
    """1/Å ``[S]``."""
    correlation: Array
    """``[S]``."""
    resolution: float
    """Å; infinite where the curve does not pass the threshold."""


def draw_fsc(path: Path, curves: Mapping[str, Shells]) -> None:
    """Write a PNG of several correlations, with the 0.143 criterion.

    Raises:
        HollyError: The file can't be written.
    """
    figure = new_figure(7.2, 4.2, facecolor="white")
    axes = figure.subplots()
    axes.axhline(0, color="#cccccc", linewidth=0.8)
    for i, (name, curve) in enumerate(curves.items()):
        resolution = f"{curve.resolution:.1f} Å" if np.isfinite(curve.resolution) else "not reached"
        axes.plot(
            curve.frequency, curve.correlation, color=_colour(i), linestyle=STYLES[i % len(STYLES)], linewidth=1.6,
            label=f"{name}: {resolution}",
        )  # fmt: skip
    axes.set_xlabel("spatial frequency, 1/Å")
    axes.set_ylabel("Fourier shell correlation")
    axes.axhline(THRESHOLD, color=GREY, linewidth=0.9, linestyle=":", label=f"{THRESHOLD:g}")
    axes.set_ylim(-0.2, 1.02)
    axes.set_xlim(left=0)
    axes.legend(fontsize=8, frameon=False)
    _plain(axes)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)


def draw_thresholds(path: Path, curves: Mapping[str, Curve]) -> None:
    """Write a PNG of recall, precision and F1 over the threshold of the score, a panel for each curve.

    Raises:
        HollyError: The file can't be written.
    """
    shown = {name: curve for name, curve in curves.items() if len(curve.threshold)}
    columns = max(1, min(3, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    figure = new_figure(3.6 * columns, 2.9 * rows + 0.3, facecolor="white")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    for axes, (name, curve) in zip(grid, shown.items(), strict=False):
        for values, label, colour, line in (
            (curve.recall, "recall", BLUE, "--"),
            (curve.precision, "precision", ORANGE, "-."),
            (curve.f1, "F1", GREEN, "-"),
        ):
            axes.plot(curve.threshold, values, line, color=colour, label=label, linewidth=1.5)
        threshold, f1 = curve.best
        axes.plot([threshold], [f1], "o", color=GREEN, markersize=5)
        axes.set_title(f"{name}: best F1 {f1:.2f} at {threshold:.3g}", fontsize=9, parse_math=False)
        axes.set_xlabel("threshold of the score", fontsize=8)
        axes.set_ylim(0, 1.03)
        _plain(axes)
    if shown:
        grid[0].legend(fontsize=8, frameon=False)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)


def _colour(i: int) -> str:
    order = (6, 0, 2, 4, 5, 1)  # the darker ones first: lines are thin
    return CATEGORIES[order[i % len(order)]]


def _plain(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
