"""Subtomograms in the plane of their features."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from holly_triton.core.files import replacing
from holly_triton.core.types import Array
from holly_triton.report.charts import new_figure
from holly_triton.tomography.config.pictures import DPI

from .marks import Mark, marks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREY = "#b8bcc2"


def draw_embedding(
    path: Path, places: Array, panels: Mapping[str, Array], axes_name: str, shown: Sequence[str] | None
) -> None:
    """Write a PNG with a panel for each way of naming subtomograms, such as clusters and known classes.

    Args:
        path: Its name.
        places: ``[M, 2]``.
        panels: Title of each panel, and the name of each subtomogram in it ``[M]``.
        axes_name: Of the two axes, before their number.
        shown: Names that have a mark of their own in the first panel, the others being grey; None for all.

    Raises:
        HollyError: The file can't be written.
    """
    figure = new_figure(5.4 * len(panels), 5.6, facecolor="white")
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    kinds = [sorted(set(names.tolist())) for names in panels.values()]
    if shown is not None:
        kinds[0] = list(shown)
    marks = marks_of(
        list(dict.fromkeys(name for some in kinds for name in some))
    )  # one mark has one meaning in all panels
    for axes, (title, names), some in zip(grid, panels.items(), kinds, strict=True):
        _panel(axes, places, names, marks, some)
        axes.set_title(title, fontsize=10, parse_math=False)
        axes.set_xlabel(f"{axes_name} 1", fontsize=9)
        axes.set_ylabel(f"{axes_name} 2", fontsize=9)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)


def _panel(axes: "Axes", places: Array, names: Array, marks: Mapping[str, Mark], order: Sequence[str]) -> None:
    others = ~np.isin(names, order)
    axes.plot(*places[others].T, ".", color=GREY, markersize=3, label="others" if others.any() else None)
    for name in order:
        mark = marks[name]
        axes.plot(
            *places[names == name].T, mark.shape, color=mark.colour, markersize=4.5, markeredgecolor="black", markeredgewidth=0.3,
            label=name,
        )  # fmt: skip
    axes.legend(fontsize=7, frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.12))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[["top", "right"]].set_visible(False)
