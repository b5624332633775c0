"""Figure 3 as a picture: figures of the arms against the nominal density, with what the Cramér-Rao bound leaves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from holly_triton.core.files import replacing
from holly_triton.report.charts import new_figure

from .cells import Cell, by_snr
from .comparison import Results
from .config import ARMS, DENSITIES, Arm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: dict[Arm, str] = {"equal-count": "#c23b22", "random": "#d99a0d", "structure": "#2f6fb5", "mixed": "#3a8f5c"}
MARKERS: dict[Arm, str] = {"equal-count": "s", "random": "D", "structure": "o", "mixed": "^"}
BOUND = "#555b63"
SHOWN = (
    ("jaccard", "Jaccard index"), ("rmse_lateral", "lateral RMSE, nm"), ("rmse_axial", "axial RMSE, nm"),
    ("efficiency_3d", "3D efficiency"),
)  # fmt: skip
Ceilings = Mapping[Cell, Mapping[str, float]]


def draw_figure3(path: Path, results: Results, ceilings: Ceilings) -> bool:
    """Write figure 3, a row for each figure and a column for each level of noise; False where nothing is there to draw."""
    return _draw(
        path,
        results,
        ceilings,
        [cell for cell in results.cells if cell.kind == "figure3" and cell.density in DENSITIES],
    )


def draw_uniform(path: Path, results: Results, ceilings: Ceilings) -> bool:
    """Write the same for random test frames."""
    return _draw(path, results, ceilings, [cell for cell in results.cells if cell.kind == "uniform"])


def _draw(path: Path, results: Results, ceilings: Ceilings, cells: list[Cell]) -> bool:
    columns = list(by_snr(cells, cells[0].kind)) if cells else []
    if not columns:
        return False
    figure = new_figure(4.2 * len(columns) + 0.6, 11.5, facecolor="white")
    grid = figure.subplots(len(SHOWN), len(columns), squeeze=False, sharex=True, sharey="row")
    for row, (name, label) in enumerate(SHOWN):
        for column, (snr, line) in enumerate(columns):
            axes = grid[row, column]
            _panel(axes, results, ceilings, line, name)
            if row == 0:
                axes.set_title(f"{snr.photons:g} photons, background {snr.background:g}", fontsize=11)
            if column == 0:
                axes.set_ylabel(label)
            if row == len(SHOWN) - 1:
                axes.set_xlabel("nominal density, emitters per µm²")
    figure.align_ylabels(grid[:, 0])
    grid[0, 0].legend(fontsize=8, frameon=False, loc="lower left")
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=90)
    return True


def _panel(axes: "Axes", results: Results, ceilings: Ceilings, cells: Sequence[Cell], figure: str) -> None:
    for arm, label in ARMS.items():
        shown = [cell for cell in cells if results.of(arm, cell)]
        if not shown:
            continue
        density = [cell.density for cell in shown]
        value = [results.figures(arm, cell)[figure] for cell in shown]
        low, high = np.transpose([results.interval(arm, cell, figure) for cell in shown])
        axes.fill_between(density, low, high, color=COLOURS[arm], alpha=0.15, linewidth=0)
        axes.plot(density, value, color=COLOURS[arm], marker=MARKERS[arm], markersize=4, linewidth=1.6, label=label)
        for cell in shown:
            seeds = results.seeds(arm, cell, figure)
            if len(seeds) > 1:
                axes.plot(
                    [cell.density] * len(seeds), seeds, color=COLOURS[arm], marker="_", linestyle="", markersize=6
                )
    bounded = [cell for cell in cells if cell in ceilings]
    if bounded:
        limit = [ceilings[cell][figure] for cell in bounded]
        axes.plot(
            [cell.density for cell in bounded],
            limit,
            color=BOUND,
            linestyle="--",
            linewidth=1.2,
            label="Cramér-Rao bound",
        )
    axes.set_xscale("log")
    ticks = [cell.density for cell in cells]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=8)
    axes.minorticks_off()
    axes.grid(color="#e3e6ea", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
