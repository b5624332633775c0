"""The confusion matrix as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from holly_triton.core.files import replacing
from holly_triton.core.types import Array
from holly_triton.report.charts import new_figure
from holly_triton.tomography.config.pictures import DPI
from holly_triton.tomography.config.simulation import NULL
from holly_triton.tomography.score.evaluate import BACKGROUND

COLUMNS = 3
"""Matrices in a row."""


def draw_confusion(path: Path, matrices: Mapping[str, tuple[Sequence[str], Array]]) -> None:
    """Write a PNG of the confusion matrices of one or several scores.

    The last row holds picks without a particle, the last column particles without a pick.

    Args:
        path: Its name.
        matrices: By name the C classes and the counts ``[C + 1, C + 1]``, as ``Score`` has them.

    Raises:
        HollyError: The file can't be written.
    """
    whole = {name: ([*classes, BACKGROUND], counts) for name, (classes, counts) in matrices.items()}
    draw_matrices(path, whole, "picked as")


def shown_class(label: str) -> str:
    """The name of a class in pictures: boxes without a particle are noise."""
    return "noise" if label == NULL else label


def draw_matrices(path: Path, matrices: Mapping[str, tuple[Sequence[str], Array]], found: str) -> None:
    """Write a PNG of one or several matrices.

    Colours are shares of a row, so that rare classes are seen as well; numbers are counts.

    Args:
        path: Its name.
        matrices: By name the classes and the counts ``[L, L]``, a row for each true class.
        found: What a column stands for.

    Raises:
        HollyError: The file can't be written.
    """
    columns = min(COLUMNS, len(matrices))
    rows = -(-len(matrices) // columns)
    side = max(3.6, 0.52 * max(len(labels) for labels, _ in matrices.values()) + 1.6)
    figure = new_figure(side * columns, (side + 0.3) * rows, facecolor="white")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(matrices) :]:
        axes.set_axis_off()
    for axes, (name, (labels, counts)) in zip(grid, matrices.items(), strict=False):
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(share, cmap="cividis", vmin=0, vmax=1)
        for row, column in np.argwhere(counts > 0):
            ink = "white" if share[row, column] < 0.55 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8, color=ink)
        axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", fontsize=8, parse_math=False)
        axes.set_yticks(range(len(labels)), labels, fontsize=8, parse_math=False)
        axes.set_xlabel(found, fontsize=9)
        axes.set_ylabel("true class", fontsize=9)
        axes.set_title(name, fontsize=10, parse_math=False)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)
